-- The words of a text, as search knows them: PostgreSQL's parser and its `simple` configuration, made the same on servers of any
-- locale and for several languages.
--
-- Punctuation becomes spaces first: the parser would take a@b.c, and/or and x_y for one word each and <b> for none, and under the C
-- locale whatever is not ASCII for a letter. Compatibility forms become one (NFKC). Each Han and Kana character is a word: they are
-- written without spaces.
CREATE OR REPLACE FUNCTION words_of(p_text text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $body$
    SELECT to_tsvector('simple', regexp_replace(
        CASE
            WHEN octet_length(p_text) = char_length(p_text) THEN p_text
            ELSE regexp_replace(normalize(p_text, NFKC), '([\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff])', ' \1 ', 'g')
        END,
        '[!-/:-@[-`{-~\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u055a-\u055f\u0589\u05be\u05c0\u05c3\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u0e4f\u0e5a\u0e5b\u2000-\u200b\u200e-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ufe00-\ufe1f\ufe30-\ufe6f\ufeff\uffe0-\uffff\U0001f000-\U0001faff\U000e0000-\U000e01ff]+',
        ' ', 'g'
    ))
$body$;
