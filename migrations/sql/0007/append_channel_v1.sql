-- Append drafts to the log of one channel: one call is one transaction.
--
-- It says what append_messages says of the same drafts. Each statement is on one table, with `= p_channel_id`: on Citus the whole call
-- runs where the channel's rows are, and on one PostgreSQL a short batch costs a third. The arrays are parallel, one element a draft, in
-- order of arrival; what a kind of message needs beyond its text is in p_details, so that later kinds need no other signature.
-- Each step is a statement of its own, because a statement that waited for a lock still sees what it saw before it waited: lock,
-- then look, then write.
-- p_wait: lock whatever it takes, up to lock_timeout; else a channel that somebody else holds is BUSY.
--
-- Returns a row for each draft (ord from 1, outcome, seq) and, with ord 0, one where an entry was appended: the channel's members
-- now, and the entry that brought each in.
-- Outcomes: 1 appended, 2 repeat of the same draft, 3 same client id but another draft, 4 no such channel for this sender,
-- 5 busy, 6 the message replied to is not there for this sender, 7 somebody mentioned is not a member, 8 one of a chat blocks
-- the other.
CREATE OR REPLACE FUNCTION append_channel_v1(
    p_channel_id uuid,
    p_sender_ids uuid[],
    p_client_message_ids text[],
    p_draft_hashes bytea[],
    p_kinds smallint[],
    p_texts text[],
    p_reply_to_seqs integer[],
    p_details jsonb[],
    p_ats timestamptz[],
    p_outbox_id uuid,
    p_wait boolean
)
RETURNS TABLE (ord integer, outcome smallint, seq integer, user_ids uuid[], joined_seqs integer[])
LANGUAGE plpgsql
-- The caller's does not reach a worker node.
SET lock_timeout = '50ms'
AS $body$
#variable_conflict use_column
DECLARE
    v_kind smallint;
    v_first integer;
    v_last integer;
    v_last_at timestamptz;
    v_members uuid[];
    v_joined integer[];
    v_silent uuid[];
    v_blocked boolean;
    v_repeat_seq integer;
    v_repeat_hash bytea;
    v_place integer;
    v_found boolean;
    v_repeated boolean := false;
    v_new integer[] := '{}';
    v_speakers uuid[] := '{}';
BEGIN
    IF p_wait THEN
        SELECT c.kind, c.last_seq INTO v_kind, v_last FROM channels c WHERE c.id = p_channel_id FOR UPDATE;
    ELSE
        SELECT c.kind, c.last_seq INTO v_kind, v_last FROM channels c WHERE c.id = p_channel_id FOR UPDATE SKIP LOCKED;
    END IF;
    IF NOT FOUND THEN
        PERFORM FROM channels c WHERE c.id = p_channel_id;
        outcome := CASE WHEN FOUND THEN 5 ELSE 4 END;
        FOR i IN 1 .. cardinality(p_sender_ids) LOOP
            ord := i;
            RETURN NEXT;
        END LOOP;
        RETURN;
    END IF;

    SELECT
        array_agg(b.user_id) FILTER (WHERE b.left_seq IS NULL), array_agg(b.joined_seq) FILTER (WHERE b.left_seq IS NULL),
        array_agg(b.user_id) FILTER (WHERE v_kind = 1 AND NOT b.has_sent), bool_or(v_kind = 1 AND b.blocks)
    INTO v_members, v_joined, v_silent, v_blocked
    FROM members b WHERE b.channel_id = p_channel_id;

    v_first := v_last;
    FOR i IN 1 .. cardinality(p_sender_ids) LOOP
        ord := i;
        seq := NULL;
        -- Written as a range in the order of the unique index, as in append_messages: else the planner may take the primary key,
        -- and read the whole channel.
        SELECT m.seq, m.draft_hash INTO v_repeat_seq, v_repeat_hash FROM messages m
        WHERE m.channel_id = p_channel_id AND m.sender_id = p_sender_ids[i]
            AND m.client_message_id >= p_client_message_ids[i] AND m.client_message_id <= p_client_message_ids[i]
        ORDER BY m.sender_id, m.client_message_id LIMIT 1;
        v_place := array_position(v_members, p_sender_ids[i]);
        IF v_repeat_seq IS NOT NULL THEN
            seq := v_repeat_seq;
            outcome := CASE WHEN v_repeat_hash = p_draft_hashes[i] THEN 2 ELSE 3 END;
            v_repeated := true;
        ELSIF v_place IS NULL THEN
            outcome := 4;
        ELSIF v_blocked THEN
            outcome := 8;
        ELSE
            outcome := 1;
            IF p_reply_to_seqs[i] IS NOT NULL THEN
                -- Not one of this call: whoever wrote the reply has not seen it.
                v_found := p_reply_to_seqs[i] <= v_first AND p_reply_to_seqs[i] >= v_joined[v_place];
                IF v_found THEN
                    PERFORM FROM messages r WHERE r.channel_id = p_channel_id AND r.seq = p_reply_to_seqs[i];
                    v_found := FOUND;
                END IF;
                IF NOT v_found THEN
                    outcome := 6;
                END IF;
            END IF;
            IF outcome = 1 AND p_details[i] ? 'mentions' AND EXISTS (
                SELECT FROM jsonb_array_elements_text(p_details[i] -> 'mentions') AS n (user_id)
                WHERE n.user_id::uuid <> ALL (v_members)
            ) THEN
                outcome := 7;
            END IF;
        END IF;
        IF outcome = 1 THEN
            v_last := v_last + 1;
            seq := v_last;
            INSERT INTO messages (
                channel_id, seq, kind, sender_id, client_message_id, draft_hash, text, reply_to_seq, details, sent_at
            ) VALUES (
                p_channel_id, v_last, p_kinds[i], p_sender_ids[i], p_client_message_ids[i], p_draft_hashes[i], p_texts[i],
                p_reply_to_seqs[i], p_details[i], p_ats[i]
            );
            v_new := v_new || v_last;
            v_last_at := greatest(v_last_at, p_ats[i]);
            IF p_sender_ids[i] = ANY (v_silent) THEN
                v_speakers := v_speakers || p_sender_ids[i];
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF v_last > v_first THEN
        UPDATE channels c SET last_seq = v_last, last_at = greatest(c.last_at, v_last_at) WHERE c.id = p_channel_id;
        IF v_speakers <> '{}' THEN
            UPDATE members b SET has_sent = true
            WHERE b.channel_id = p_channel_id AND b.user_id = ANY (v_speakers) AND NOT b.has_sent;
        END IF;
        INSERT INTO outbox (
            channel_id, id, entry_channel_ids, entry_seqs, recipient_channel_ids, recipient_ids, recipient_joined_seqs
        ) VALUES (
            p_channel_id, p_outbox_id, array_fill(p_channel_id, ARRAY[cardinality(v_new)]), v_new,
            array_fill(p_channel_id, ARRAY[cardinality(v_members)]), v_members, v_joined
        );
        ord := 0;
        outcome := NULL;
        seq := NULL;
        user_ids := v_members;
        joined_seqs := v_joined;
        RETURN NEXT;
    END IF;
    IF v_repeated THEN
        -- The first send may be committed here and not yet on the synchronous standby. What is written now is after it, so that
        -- this commit, and the answer, wait for both.
        PERFORM pg_logical_emit_message(true, 'parley', '');
    END IF;
END
$body$;
