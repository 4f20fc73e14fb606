-- Move members' positions forward in one channel: one call is one transaction. Never back, never past the log.
--
-- It says what advance_positions says of the same moves. Each statement is on one table, with `= p_channel_id`, so that on Citus the
-- whole call runs where the channel's rows are. The arrays are parallel, one element a member, each member once, in the order of their
-- ids: member rows are locked in that order. What is read is also delivered. A row that somebody else holds is busy, unless p_wait.
-- A receipt row is written for each move.
-- p_again: the moves may be committed already, and not yet on the synchronous standby; this commit, and the answer, wait for both.
--
-- Others are shown the same, but that it stands still while one of a chat blocks the other; receipts follow what is shown.
--
-- Returns a row for each element (ord from 1). Outcomes: 1 in force, 4 not a member, 5 busy. For 1: the positions after and
-- whether they moved; and what others are shown, after and before.
CREATE OR REPLACE FUNCTION advance_channel_v1(
    p_channel_id uuid,
    p_user_ids uuid[],
    p_delivered_seqs integer[],
    p_read_seqs integer[],
    p_at timestamptz,
    p_wait boolean,
    p_again boolean
)
RETURNS TABLE (
    ord integer, outcome smallint, delivered_seq integer, read_seq integer, moved boolean,
    shown_delivered integer, shown_read integer, shown_delivered_before integer, shown_read_before integer
)
LANGUAGE plpgsql
-- The caller's does not reach a worker node.
SET lock_timeout = '50ms'
AS $body$
#variable_conflict use_column
DECLARE
    v_count integer := cardinality(p_user_ids);
    v_outcomes smallint[] := array_fill(1::smallint, ARRAY[v_count]);
    v_delivered integer[] := array_fill(0, ARRAY[v_count]);
    v_read integer[] := v_delivered;
    v_shown_delivered integer[] := v_delivered;
    v_shown_read integer[] := v_delivered;
    v_kind smallint;
    v_last integer;
    v_blocked boolean := false;
    v_to_delivered integer;
    v_to_read integer;
    v_show_delivered integer;
    v_show_read integer;
    v_moved boolean;
BEGIN
    IF p_again THEN
        PERFORM pg_logical_emit_message(true, 'parley', '');
    END IF;

    FOR i IN 1 .. v_count LOOP
        IF p_wait THEN
            SELECT b.delivered_seq, b.read_seq, b.shown_delivered_seq, b.shown_read_seq
            INTO v_to_delivered, v_to_read, v_show_delivered, v_show_read
            FROM members b
            WHERE b.channel_id = p_channel_id AND b.user_id = p_user_ids[i] AND b.left_seq IS NULL FOR UPDATE;
        ELSE
            SELECT b.delivered_seq, b.read_seq, b.shown_delivered_seq, b.shown_read_seq
            INTO v_to_delivered, v_to_read, v_show_delivered, v_show_read
            FROM members b
            WHERE b.channel_id = p_channel_id AND b.user_id = p_user_ids[i] AND b.left_seq IS NULL FOR UPDATE SKIP LOCKED;
        END IF;
        IF FOUND THEN
            v_delivered[i] := v_to_delivered;
            v_read[i] := v_to_read;
            v_shown_delivered[i] := v_show_delivered;
            v_shown_read[i] := v_show_read;
        ELSE
            PERFORM FROM members b
            WHERE b.channel_id = p_channel_id AND b.user_id = p_user_ids[i] AND b.left_seq IS NULL;
            v_outcomes[i] := CASE WHEN FOUND THEN 5 ELSE 4 END;
        END IF;
    END LOOP;

    SELECT c.kind, c.last_seq INTO v_kind, v_last FROM channels c WHERE c.id = p_channel_id;
    IF v_kind = 1 THEN
        PERFORM FROM members b WHERE b.channel_id = p_channel_id AND b.blocks;
        v_blocked := FOUND;
    END IF;

    FOR i IN 1 .. v_count LOOP
        IF v_outcomes[i] = 1 THEN
            v_to_delivered := greatest(v_delivered[i], least(greatest(p_delivered_seqs[i], p_read_seqs[i]), v_last));
            v_to_read := greatest(v_read[i], least(p_read_seqs[i], v_last));
            v_show_delivered := CASE WHEN v_blocked THEN v_shown_delivered[i] ELSE v_to_delivered END;
            v_show_read := CASE WHEN v_blocked THEN v_shown_read[i] ELSE v_to_read END;
            v_moved := v_to_delivered > v_delivered[i] OR v_to_read > v_read[i];
            IF v_moved OR v_show_delivered > v_shown_delivered[i] OR v_show_read > v_shown_read[i] THEN
                UPDATE members b SET
                    delivered_seq = v_to_delivered, read_seq = v_to_read,
                    shown_delivered_seq = v_show_delivered, shown_read_seq = v_show_read
                WHERE b.channel_id = p_channel_id AND b.user_id = p_user_ids[i];
            END IF;
            IF v_show_delivered > v_shown_delivered[i] THEN
                INSERT INTO receipts (channel_id, user_id, kind, up_to_seq, at)
                VALUES (p_channel_id, p_user_ids[i], 1, v_show_delivered, p_at) ON CONFLICT DO NOTHING;
            END IF;
            IF v_show_read > v_shown_read[i] THEN
                INSERT INTO receipts (channel_id, user_id, kind, up_to_seq, at)
                VALUES (p_channel_id, p_user_ids[i], 2, v_show_read, p_at) ON CONFLICT DO NOTHING;
            END IF;
            RETURN QUERY VALUES (
                i, 1::smallint, v_to_delivered, v_to_read, v_moved,
                v_show_delivered, v_show_read, v_shown_delivered[i], v_shown_read[i]
            );
        ELSE
            RETURN QUERY VALUES (
                i, v_outcomes[i], NULL::integer, NULL::integer, NULL::boolean,
                NULL::integer, NULL::integer, NULL::integer, NULL::integer
            );
        END IF;
    END LOOP;
END
$body$;
