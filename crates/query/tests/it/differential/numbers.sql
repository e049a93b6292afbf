-- name: integer_division
select 7 / 2, -7 / 2, 7 / -2, 7 % 3, -7 % 3, 7 % -3
-- name: column_division
select id, quantity / 3, quantity % 3, quantity / 2.0, quantity / 2.0::float8 from orders
-- name: numeric_literals
select 0.1 + 0.2, 1.10, 10 / 4.0, 2.5 * 4, 1e3, 1.5e-3, 100 * 1.1
-- name: numeric_equality
select 0.1 + 0.2 = 0.3, 1.0 = 1, 1.5 > 1
-- name: numeric_division
select 1.0 / 3, 2.0 / 3, 10.0 / 3.0, 1 / 3.0, 1.0 / 7 * 7
-- name: large_products
select 123456789.123 * 987654.321, 99999999 * 99999999::bigint, 1e15 * 1e15
-- name: round_halves_numeric
select round(2.5), round(-2.5), round(0.5), round(1.5), round(-0.4)
-- name: round_halves_float
select round(y), ceil(y), floor(y), trunc(y) from measures where y is not null
-- name: round_places
select round(1.005, 2), round(2.675, 2), round(1234.567, -2), round(-1.25, 1), round(y::numeric, 1) from measures
-- name: trunc_places
select trunc(1.789, 2), trunc(-1.789, 1), trunc(1234.567, -2), trunc(5.9), trunc(-5.9)
-- name: casts_to_integer
select 2.5::int, 3.5::int, -2.5::int, 2.5::float8::int, 3.5::float8::int, -2.5::float8::int, '42'::int, ' 7 '::bigint, true::int
-- name: float_column_casts
select y::int, y::bigint, y::numeric(20,2), y::text from measures where abs(y) < 1000000
-- name: text_of_numbers
select 1::text, 1.50::text, 1.5::float8::text, 1e20::float8::text, 1e-7::float8::text, 123456.789::float8::text, (-0.5)::float8::text, 100::float8::text, 100::numeric::text
-- name: numeric_casts
select '12.345'::numeric(10,2), 12.345::numeric(10,1), 7::numeric(5,2), 1.005::numeric(10,2), cast(12.7 as numeric(3,0))
-- name: boolean_casts
select 1::boolean, 0::boolean, 't'::boolean, 'yes'::boolean, 'off'::boolean, 'false'::boolean, true::text, false::text
-- name: abs_sign
select abs(-5), abs(-5.5), sign(-3), sign(0), sign(2.5), abs(x), sign(y) from measures where x > -9000000000000000000
-- name: powers_and_roots
select power(2, 10), power(2.0, 0.5), 2 ^ 3, 2 ^ 0.5, sqrt(2), cbrt(27), sqrt(16::numeric), power(-8, 3)
-- name: exponentials
select exp(1), exp(0), ln(10), log(100), log(2, 8), ln(2.718281828), log10(1000)
-- name: trigonometry
select sin(1), cos(1), tan(1), asin(0.5), acos(0.5), atan(1), atan2(1, 2), degrees(pi()), radians(180), cot(1), sinh(1), cosh(1), tanh(1)
-- name: modulo_function
select mod(10, 3), mod(-10, 3), mod(10.5, 3), mod(quantity, 4) from orders where id < 50
-- name: div_function
select div(10, 3), div(-10, 3), div(10.5, 3)
-- name: greatest_least
select greatest(1, 2, 3), least(1, 2, 3), greatest(1, null, 3), least(null, 2), greatest(null::int, null), greatest('a', 'b'), least(1.5, 1)
-- name: nullif_coalesce
select nullif(1, 1), nullif(1, 2), coalesce(null, 5), coalesce(quantity, -1), nullif(quantity, 3) from orders where id < 60
-- name: coalesce_types
select coalesce(null, 1.5), coalesce(null::text, 'x'), coalesce(score, 0), coalesce(name, city, '?') from customers
-- name: width_bucket
select width_bucket(5.35, 0.024, 10.06, 5), width_bucket(-1, 0, 10, 5), width_bucket(10, 0, 10, 5), width_bucket(3, 10, 0, 5), width_bucket(score, -200, 200, 8) from customers
-- name: gcd_lcm_factorial
select gcd(12, 18), lcm(4, 6), gcd(0, 5), factorial(5), factorial(0)
-- name: bit_operations
select 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4, 256 >> 3
-- name: big_integers
select x, x + 1, x - 1 from measures where abs(x) between 9007199254740990 and 9007199254740999
-- name: comparisons_mixed
select count(*) from orders where amount > 100 and quantity >= 2.5 and amount / 2 < 300.5
-- name: between_and_in
select count(*) from orders where quantity between 3 and 8 and id not in (5, 6, 7) and amount not between 100 and 200
-- name: between_symmetric_bounds
select count(*) from orders where quantity between 8 and 3
-- name: literal_strings_as_numbers
select count(*) from orders where quantity > '5' and amount < '300.5' and id in ('1', '2', '30')
-- name: unary_minus
select -quantity, - (-5), -2 ^ 2, -amount from orders where id < 20
-- name: operator_precedence
select 2 + 3 * 4, (2 + 3) * 4, 2 * 3 % 4, 10 - 4 - 3, 100 / 10 / 5, not true or true, 1 < 2 and 3 < 2 or true
-- name: is_distinct_from
select count(*) from orders where quantity is distinct from 3 and status is not distinct from 'paid'
-- name: null_arithmetic
select null + 1, null * 2.5, null || 'x', 1 + null::int, null = null, null <> 1, null is null
-- name: null_logic
select null and true, null and false, null or true, null or false, not null::boolean
-- name: boolean_tests
select active is true, active is not true, active is false, active is unknown, active is not unknown from customers
-- name: float_special_values
select 'NaN'::float8 = 'NaN'::float8, 'Infinity'::float8 > 1e300, '-Infinity'::float8 < 0, 'NaN'::float8 > 1
-- name: order_with_nan ordered
select v from (values ('NaN'::float8), (1.0), (null), ('Infinity'), (-1)) t(v) order by v
-- name: ceil_floor_numeric
select ceil(1.2), ceil(-1.2), floor(1.2), floor(-1.2), ceiling(2.0), ceil(5)
-- name: to_hex_chr_ascii
select to_hex(255), chr(65), chr(233), ascii('A'), ascii('é'), ascii('')
-- name: random_in_range
select random() >= 0 and random() < 1 from orders where id < 5
-- name: sum_of_products
select sum(quantity * amount), sum(quantity * 2), sum(quantity / 2) from orders
-- name: numeric_scale_mix
select 1.1 + 2.22 - 0.333, 1.1 * 2.22 * 0.333, 10.0 % 3.3, -1.5 % 1
-- name: average_rounding
select round(avg(quantity)), round(avg(quantity), 2), avg(quantity)::int, floor(avg(quantity)) from orders
-- name: case_types
select case when quantity > 5 then 1 else 2.5 end, case when quantity > 5 then 'x' end, case status when 'paid' then 1 when 'new' then 2 else 0 end from orders
-- name: case_nested
select case when quantity is null then 'none' when quantity < 0 then 'negative' when quantity = 0 then 'zero' else case when quantity > 20 then 'many' else 'some' end end as bucket, count(*) from orders group by 1
-- name: integer_types
select 1::smallint, 1::int, 1::bigint, 2147483647, 2147483648, 9223372036854775807
-- name: round_of_integer
select round(5), round(quantity), round(quantity / 2.0) from orders
-- name: log_of_numeric
select log(1000.0), ln(100.0), exp(2.0), sqrt(2.0)
-- name: width_of_numbers
select length(123::text), length((-1.5)::text)
-- name: float_equality
select count(*) from measures where y = 0.5 or y = 2.5 or y = 1e-9
-- name: float_to_numeric
select 0.1::float8::numeric, 1234567.891::float8::numeric, (1/3.0::float8)::numeric
-- name: avg_numeric_precision
select avg(v) from (values (1), (2), (2)) t(v)
-- name: money_like_sums
select sum(v), avg(v), sum(v) * 3, sum(v) / 3 from (values (19.99), (5.01), (0.10)) t(v)
-- name: floats_beside_decimals
select score, coalesce(score, 0.5), case when score > 1.5 then score else 0.1 end, nullif(score, 0.5), greatest(score, 2.5), least(score, 0.25), score = 6.5625, score between -0.5 and 100.5, score in (6.5625, 1.1) from customers
-- name: floats_and_decimals_in_unions
select score from customers where score > 0 union all select 1e12 union all select 0.1
-- name: large_floats_beside_decimals
select x, x > 1.5, coalesce(x, 0.0), x in (1.5, 2.5) from (values (1e200::float8), ('-Infinity'), (0.1), (null)) t(x) where x is null or x < 1e201
