-- name: concatenation
select 'a' || 'b', 'a' || 1, 1 || 'a', 'a' || 1.5, 'a' || true, name || '@' || city from customers
-- name: concat_functions
select concat('a', null, 1, true, 1.5), concat_ws('-', 'a', null, 'b', 2), concat(name, city) from customers
-- name: case_changes
select upper(name), lower(name), initcap(city) from customers
-- name: lengths
select length(name), char_length(name), octet_length(name), bit_length('abc'), length('') from customers
-- name: substring_forms
select substring(name from 2 for 3), substring(name from 3), substring(name for 2), substr(name, 2), substr(name, 2, 3) from customers
-- name: substring_edges
select substr('abcdef', 0), substr('abcdef', 0, 3), substr('abcdef', -2, 5), substring('abcdef', 10), substr('abcdef', 3, 0), substring('日本語', 2, 1)
-- name: left_right
select left(name, 3), right(name, 3), left(name, -2), right(name, -2), left('abc', 0), right('abc', 10) from customers
-- name: padding
select lpad('7', 3, '0'), rpad('ab', 5, 'xy'), lpad('abcdef', 3), rpad('abc', 2), lpad('a', 5), lpad('a', 0), lpad('x', 3, '')
-- name: trimming
select trim('  x  '), ltrim('  x'), rtrim('x  '), trim(both 'x' from 'xxaxx'), trim(leading 'x' from 'xxaxx'), trim(trailing 'x' from 'xxaxx'), btrim('xyax', 'xy'), ltrim('aabc', 'a'), rtrim('abcc', 'c')
-- name: positions
select position('b' in 'abc'), strpos('abc', 'c'), strpos('abc', 'z'), strpos('abc', ''), position('本' in '日本語')
-- name: replace_translate
select replace('aXbX', 'X', '--'), replace('abc', '', 'z'), translate('abcabc', 'ab', 'x'), replace(name, 'a', 'A'), translate(name, 'aeiou', '12345') from customers
-- name: repeat_reverse
select repeat('ab', 3), repeat('x', 0), repeat('x', -1), reverse('abc'), reverse('日本語')
-- name: split_part
select split_part('a,b,c', ',', 1), split_part('a,b,c', ',', 3), split_part('a,b,c', ',', 4), split_part('a,b,c', ',', -1), split_part(payload, '.', 2) from events
-- name: starts_with
select starts_with('abc', 'ab'), starts_with('abc', 'b'), name ^@ 'B' from customers
-- name: overlay
select overlay('abcdef' placing 'XX' from 2), overlay('abcdef' placing 'XX' from 2 for 4), overlay('abcdef' placing '' from 2 for 2)
-- name: like
select count(*) from customers where name like 'B%' or name like '%a _' or city not like '%o%'
-- name: ilike
select name from customers where name ilike 'b%' or city ilike '%RA%'
-- name: like_escapes
select payload from events where payload like '%!%%' escape '!' or payload like '%\_%'
-- name: like_operators
select count(*) from customers where name ~~ 'A%' or name !~~ '%e%' or city ~~* 'p%' or city !~~* '%o%'
-- name: similar_to
select 'abc' similar to 'abc', 'abc' similar to 'a', 'abc' similar to '%(b|d)%', 'abc' not similar to '(b|c)%', 'a+b' similar to 'a\+b'
-- name: regex_operators
select name, name ~ '^[A-D]', name ~* 'ö|é', name !~ '\d$', name !~* 'a' from customers
-- name: regex_replace
select regexp_replace('foobarbaz', 'b..', 'X'), regexp_replace('foobarbaz', 'b..', 'X', 'g'), regexp_replace('foobarbaz', 'b(..)', 'X\1Y', 'g'), regexp_replace('Abc', 'a', 'z', 'i'), regexp_replace('a.b', '\.', '-'), regexp_replace('abc', '(b)', '[\&]')
-- name: regex_match
select regexp_match('foobarbequebaz', 'bar.*que'), regexp_match('foobarbequebaz', '(bar)(beque)'), regexp_match('abc', 'z'), regexp_match('ABC', 'b', 'i')
-- name: regex_functions
select regexp_like('Hello', 'hello', 'i'), regexp_count('abcabc', 'b'), regexp_substr('abc123def', '[0-9]+'), regexp_instr('abc123', '[0-9]'), regexp_count('aaa', 'a', 2)
-- name: regex_classes
select payload ~ '\mUser', payload ~* '\muser\M', payload ~ '[[:alpha:]]+=[[:digit:]]+', payload ~ '^\s' from events
-- name: substring_regex
select substring('foobar' from 'o(.)b'), substring('foobar' from 'o.b'), substring('foobar', '(b)(a)'), substring('abc' from 'z')
-- name: string_comparison
select 'a' < 'b', 'B' < 'a', 'Z' < 'é', '' < 'a', 'abc' = 'abc ', 'a' <> 'A'
-- name: order_by_text ordered
select name from customers where name is not null order by name, id
-- name: order_by_text_desc_nulls ordered
select city, id from customers order by city desc, id
-- name: min_max_text
select min(name), max(name), min(city), max(city) from customers
-- name: string_to_array
select string_to_array('a,b,c', ','), string_to_array('', ','), array_to_string(array['a', null, 'c'], ','), array_to_string(array[1, 2], '-'), array_to_string(array['a', null], ',', '?')
-- name: array_basics
select array[1, 2, 3], array['a', 'b'], array_length(array[1, 2], 1), cardinality(array[1, 2, 3]), (array[10, 20, 30])[2], (array[10, 20])[5]
-- name: array_functions
select array_append(array[1], 2), array_prepend(0, array[1]), array_cat(array[1], array[2, 3]), array[1] || 2, array[1] || array[2], array_position(array['a', 'b'], 'b'), array_remove(array[1, 2, 1], 1), array_replace(array[1, 2], 2, 9)
-- name: array_operators
select array[1, 2] @> array[1], array[1] <@ array[1, 2], array[1, 2] && array[2, 3], 2 = any(array[1, 2]), 3 <> all(array[1, 2]), array[1, 2] = array[1, 2]
-- name: any_of_text_array
select count(*) from orders where status = any(array['paid', 'new'])
-- name: unnest_list
select unnest(array[3, 1, 2])
-- name: unnest_from
select x * 2 from unnest(array[1, 2, 3]) as t(x)
-- name: md5_and_encoding
select md5('abc'), md5(''), encode('abc'::bytea, 'hex'), encode('hello world'::bytea, 'base64'), encode(sha256('abc'::bytea), 'hex')
-- name: text_casts
select 'abc'::varchar(2), 'abc'::char(2), 12345::varchar(3), 'abc'::text, cast('x' as varchar)
-- name: unicode_escapes
select U&'\0041\00e9', E'a\tb\nc', E'\x41', 'it''s', $$dollar 'quoted'$$
-- name: concat_null_column
select count(*) from customers where name || city is null
-- name: empty_is_not_null
select count(*) from customers where city = '' and city is not null
-- name: nullif_text
select nullif(city, ''), coalesce(nullif(city, ''), 'unknown') from customers
-- name: upper_of_sharp_s
select upper('grüße'), lower('ÀÉ'), initcap('hELLO wORLD-foo bar_baz')
-- name: to_number_and_back
select to_number('1,234.56', '9,999.99'), to_number('-12', 'S99'), to_number('$12.5', 'L99.9')
-- name: to_char_numbers
select to_char(1234.5, '9,999.99'), to_char(1234.5, 'FM9,999.00'), to_char(-5, '999'), to_char(0.5, '0.99'), to_char(12, '00000'), to_char(7, 'S000'), to_char(-7, '999PR'), to_char(1485, 'RN'), to_char(12345, '999'), to_char(0.125, '0.00'), to_char(1e6, '9,999,999')
-- name: to_char_columns
select to_char(amount, 'FM999990.00'), to_char(quantity, '000'), to_char(score, '999.9') from orders join customers on customers.id = orders.customer_id
-- name: distinct_case_sensitive
select distinct status from orders
-- name: in_list_text
select count(*) from orders where status in ('paid', 'new') and status not in ('returned')
-- name: not_in_with_null
select count(*) from orders where status not in ('paid', null)
-- name: long_concat
select string_agg(name || ':' || coalesce(city, '-'), ', ' order by id) from customers
-- name: text_to_date_compare
select count(*) from orders where ordered_at::text like '2024%'
-- name: left_of_number
select left(id::text, 1), count(*) from orders group by left(id::text, 1)
-- name: greatest_text
select greatest(name, city), least(name, city) from customers
-- name: levenshtein_free
select strpos(payload, '='), split_part(split_part(payload, ';', 1), '=', 2) from events

-- name: format_templates ordered
select id, format('%s has %s|%-6s|%6s|%L|%I|100%%', name, score > 0, city, city, city, 'It''s') from customers order by id

-- name: quoting ordered
select id, quote_literal(name), quote_ident(city), quote_literal('a\b') from customers order by id

-- name: split_by_pattern ordered
select id, regexp_split_to_array(name, '\s+'), regexp_split_to_array('a1b22c', '[0-9]+') from customers order by id

-- name: split_to_rows
select id, regexp_split_to_table(name, '\s+') from customers

-- name: texts_to_rows
select id, string_to_table(name, ' ') from customers where id < 10
