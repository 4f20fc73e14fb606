-- Index a channel's whole blocks that are not yet, at most p_most of them; how many it was.
--
-- A statement that waited for the head's lock sees the messages as they are after it: a change that came first is in the block, and
-- one that comes later finds the block there, and writes it again (rebuild_search_block_v2). Sends are not held up: they take no lock
-- here. The words are read into a variable first: Citus runs no statement inside of one that it has sent to a shard.
CREATE OR REPLACE FUNCTION build_search_blocks_v2(p_channel_id uuid, p_most integer) RETURNS integer
LANGUAGE plpgsql
AS $body$
DECLARE
    v_first integer;
    v_whole integer;
    v_words tsvector;
    v_earliest_at timestamptz;
    v_latest_at timestamptz;
BEGIN
    INSERT INTO search_heads AS h (channel_id, built_seq) VALUES (p_channel_id, 0)
    ON CONFLICT (channel_id) DO UPDATE SET built_seq = h.built_seq
    RETURNING h.built_seq / 128 INTO v_first;

    SELECT least(c.last_seq / 128, v_first + p_most) INTO v_whole FROM channels c WHERE c.id = p_channel_id;
    IF v_whole IS NULL OR v_whole <= v_first THEN
        RETURN 0;
    END IF;

    FOR v_block IN v_first .. v_whole - 1 LOOP
        v_words := search_words(p_channel_id, v_block);
        SELECT coalesce(min(m.sent_at), 'infinity'), coalesce(max(m.sent_at), '-infinity') INTO v_earliest_at, v_latest_at
        FROM messages m
        WHERE m.channel_id = p_channel_id AND m.kind <> 7 AND m.seq > v_block * 128 AND m.seq <= v_block * 128 + 128;
        INSERT INTO search_blocks (channel_id, block, earliest_at, latest_at, words)
        VALUES (p_channel_id, v_block, v_earliest_at, v_latest_at, v_words);
    END LOOP;

    UPDATE search_heads h SET built_seq = v_whole * 128 WHERE h.channel_id = p_channel_id;
    RETURN v_whole - v_first;
END
$body$;
