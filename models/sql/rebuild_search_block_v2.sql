-- Index the block of a message whose text has changed again, if it is indexed. The head's lock, held until the caller's commit, keeps
-- the block from being built meanwhile out of what the message was.
CREATE OR REPLACE FUNCTION rebuild_search_block_v2(p_channel_id uuid, p_seq integer) RETURNS void
LANGUAGE plpgsql
AS $body$
DECLARE
    v_block integer := (p_seq - 1) / 128;
    v_built_seq integer;
    v_words tsvector;
BEGIN
    INSERT INTO search_heads AS h (channel_id, built_seq) VALUES (p_channel_id, 0)
    ON CONFLICT (channel_id) DO UPDATE SET built_seq = h.built_seq
    RETURNING h.built_seq INTO v_built_seq;

    IF p_seq <= v_built_seq THEN
        v_words := search_words(p_channel_id, v_block);
        UPDATE search_blocks b SET words = v_words WHERE b.channel_id = p_channel_id AND b.block = v_block;
    END IF;
END
$body$;
