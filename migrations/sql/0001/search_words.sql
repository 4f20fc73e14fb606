-- The words of a block of a log (models.tables.SearchBlockRow), each with the places of its messages in the block, which makes
-- `a:* <0> b:*` mean: both in one message. Null when they are more than a tsvector holds (1 MB).
CREATE OR REPLACE FUNCTION search_words(p_channel_id uuid, p_block integer) RETURNS tsvector
LANGUAGE plpgsql
AS $body$
BEGIN
    RETURN (
        SELECT coalesce(
            string_agg('''' || replace(replace(y.word, '\', '\\'), '''', '''''') || ''':' || y.places, ' ')::tsvector,
            ''::tsvector
        )
        FROM (
            SELECT x.word, string_agg(x.place, ',') AS places
            FROM (
                SELECT (m.seq - p_block * 128)::text AS place, unnest(tsvector_to_array(words_of(m.text))) AS word
                FROM messages m
                WHERE m.channel_id = p_channel_id AND m.seq > p_block * 128 AND m.seq <= p_block * 128 + 128
                    AND m.kind <> 7
            ) x
            GROUP BY x.word
        ) y
    );
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN NULL;
END
$body$;
