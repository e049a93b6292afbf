-- name: division_by_zero fails
select 1 / 0
-- name: division_by_zero_column fails
select id / (quantity - quantity) from orders where quantity is not null
-- name: division_by_zero_float fails
select amount / 0 from orders
-- name: division_by_zero_float_column fails
select 1.0::float8 / (amount - amount) from orders where amount is not null
-- name: division_by_zero_numeric fails
select 1.5 / 0
-- name: modulo_by_zero fails
select 5 % 0
-- name: division_by_zero_not_reached
select case when quantity = 0 then null else 100 / quantity end from orders
-- name: integer_overflow fails
select 2147483647 + 1
-- name: bigint_overflow fails
select 9223372036854775807 + 1
-- name: bigint_overflow_column fails
select x * 1000 from measures
-- name: integer_cast_overflow fails
select 3000000000::int
-- name: invalid_integer fails
select 'abc'::int
-- name: invalid_integer_column fails
select name::bigint from customers
-- name: invalid_float fails
select 'abc'::float8
-- name: invalid_numeric fails
select '1.2.3'::numeric
-- name: invalid_boolean fails
select 'maybe'::boolean
-- name: invalid_date fails
select 'tomorrowish'::date
-- name: invalid_timestamp_compare fails
select count(*) from orders where ordered_at > 'soon'
-- name: invalid_integer_compare fails
select count(*) from orders where quantity = 'many'
-- name: invalid_interval fails
select interval 'a while'
-- name: unknown_column fails
select nonsense from orders
-- name: unknown_qualified_column fails
select o.nonsense from orders o
-- name: unknown_table_alias fails
select x.id from orders o
-- name: ambiguous_column fails
select id from customers, orders
-- name: ungrouped_column fails
select status, id from orders group by status
-- name: ungrouped_having fails
select count(*) from orders having id > 1
-- name: sqrt_of_negative fails
select sqrt(-1)
-- name: log_of_zero fails
select ln(0)
-- name: log_of_negative fails
select ln(-1)
-- name: substring_negative fails
select substring('abc' from 1 for -1)
-- name: many_rows_subquery fails
select (select id from orders)
-- name: many_columns_subquery fails
select (select id, amount from orders where id = 1)
-- name: union_column_count fails
select 1 union select 1, 2
-- name: text_number_compare fails
select count(*) from orders where status = 5
-- name: text_plus_number fails
select status + 1 from orders
-- name: boolean_plus fails
select true + 1
-- name: date_plus_date fails
select date '2024-01-01' + date '2024-01-02'
-- name: upper_of_number fails
select upper(5)
-- name: sum_of_text fails
select sum(status) from orders
-- name: date_out_of_range fails
select make_date(2023, 2, 29)
-- name: zero_step fails
select * from generate_series(1, 10, 0)
-- name: chr_zero fails
select chr(0)
-- name: power_of_zero fails
select power(0, -1)
-- name: numeric_field_overflow fails
select 123456::numeric(5,2)
-- name: where_not_boolean fails
select id from orders where id
-- name: aggregate_in_where fails
select id from orders where count(*) > 1
-- name: cast_without_path fails
select true::date
-- name: percentile_out_of_range fails
select percentile_disc(1.5) within group (order by amount) from orders
