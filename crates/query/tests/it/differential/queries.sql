-- name: select_without_from
select 1 as one, 'x' as text, null as nothing, true as yes
-- name: output_names
select count(*), count(*) + 1, sum(quantity), upper('x'), case when true then 1 end, coalesce(1, 2), 1::int, '2024-01-01'::date, extract(year from now()) > 0, exists (select 1), (select 5 as five), array[1], nullif(1, 2), greatest(1, 2) from orders
-- name: output_names_of_casts
select id::text, status::varchar(3), (id + 1)::int, cast(amount as numeric), case when true then id else quantity end from orders where id < 3
-- name: output_names_of_syntax
select substring('abc' from 2), trim('x'), position('a' in 'abc'), overlay('abc' placing 'x' from 1), current_date is null, extract(day from date '2024-01-02'), date_trunc('day', timestamp '2024-01-01 10:00'), interval '1 day', not true, 1 = 1
-- name: top_customers ordered
select c.name, count(*) as n, round(sum(o.amount)::numeric, 2) as total from customers c join orders o on o.customer_id = c.id where c.name is not null group by c.name order by total desc, c.name limit 10
-- name: cohort ordered
with first_order as (select customer_id, min(date_trunc('year', ordered_at)) as cohort from orders where customer_id is not null group by customer_id) select cohort, extract(year from age(date_trunc('year', o.ordered_at), cohort)) as years, count(distinct o.customer_id) from first_order f join orders o on o.customer_id = f.customer_id group by 1, 2 order by 1, 2
-- name: running_total ordered
select month, total, sum(total) over (order by month) as running from (select date_trunc('month', ordered_at) as month, sum(quantity) as total from orders group by 1) t order by month
-- name: pivot
select status, sum(case when extract(year from ordered_at) = 2023 then 1 else 0 end) as y2023, sum(case when extract(year from ordered_at) = 2024 then 1 else 0 end) as y2024 from orders group by status
-- name: histogram
select width_bucket(amount, -50, 950, 10) as bucket, count(*), min(amount), max(amount) from orders where amount is not null group by 1
-- name: share_of_total
select status, sum(amount) / (select sum(amount) from orders) as share from orders group by status
-- name: month_over_month ordered
with m as (select date_trunc('month', ordered_at) as month, count(*) as n from orders group by 1) select month, n, n - lag(n) over (order by month) as diff, round(100.0 * (n - lag(n) over (order by month)) / lag(n) over (order by month), 1) as pct from m order by month
-- name: sessions ordered
with gaps as (select id, at, case when at - lag(at) over (order by at, id) > interval '30 minutes' then 1 else 0 end as new_session from events), numbered as (select id, at, sum(new_session) over (order by at, id) as session from gaps) select session, count(*), max(at) - min(at) as length from numbered group by session order by session
-- name: top_per_group ordered
select * from (select status, id, amount, row_number() over (partition by status order by amount desc nulls last, id) as r from orders) t where r <= 2 order by status nulls first, r
-- name: outliers
select id, amount from orders where abs(amount - (select avg(amount) from orders)) > 1.7 * (select stddev(amount) from orders)
-- name: quartiles
select kind, percentile_cont(0.25) within group (order by value) as q1, percentile_cont(0.5) within group (order by value) as q2, percentile_cont(0.75) within group (order by value) as q3 from events group by kind
-- name: null_counts
select count(*) - count(name) as name, count(*) - count(city) as city, count(*) - count(score) as score, count(*) - count(joined) as joined from customers
-- name: duplicates
select city, active, count(*) from customers group by city, active having count(*) > 1
-- name: ratio_with_filter
select round(count(*) filter (where active) * 1.0 / count(*), 3) as rate from customers
-- name: deciles
select d, min(amount), max(amount), count(*) from (select amount, ntile(10) over (order by amount, id) as d from orders where amount is not null) t group by d
-- name: gaps_in_ids
select prev + 1 as missing from (select id, lag(id) over (order by id) as prev from orders where id % 7 <> 0) t where id > prev + 1
-- name: weekday_hour_matrix
select extract(dow from at) as dow, extract(hour from at) as hour, count(*), avg(value) from events group by 1, 2
-- name: where_complex
select id from orders where (status = 'paid' or status = 'shipped' and amount > 500) and not (quantity is null or quantity < 0) and (ordered_at < '2022-01-01' or ordered_at >= '2024-06-01')
-- name: boolean_column_where
select count(*) from customers where active and not (score < 0)
-- name: in_with_expressions
select count(*) from orders where quantity in (1 + 1, 2 * 2, abs(-7)) and status in (lower('PAID'), 'new')
-- name: limit_zero
select id from orders limit 0
-- name: offset_beyond
select id from orders order by id offset 1000
-- name: empty_result_columns
select id, name, score, active, joined from customers where false
-- name: deep_case ordered
select id, case when score is null then 'n/a' when score < -100 then 'very low' when score < 0 then 'low' when score < 100 then 'high' else 'very high' end as band from customers order by id
-- name: coalesce_chain
select id, coalesce(nullif(city, ''), name, 'nobody') from customers
-- name: cast_in_group
select (amount / 100)::int as hundred, count(*) from orders group by 1
-- name: subquery_expressions
select (select count(*) from orders) - (select count(*) from events) as diff, (select max(score) from customers) is not null
-- name: distinct_count_over_groups
select count(*) from (select distinct city, active from customers) t
-- name: first_and_last_order
select customer_id, min(id), max(id), max(ordered_at) - min(ordered_at) as span from orders where customer_id is not null group by customer_id having count(*) > 5
-- name: correlated_exists_and_in
select id from customers c where exists (select 1 from orders o where o.customer_id = c.id and o.status in (select status from orders where amount > 940))
-- name: union_of_aggregates
select 'orders' as t, count(*) as n from orders union all select 'customers', count(*) from customers union all select 'events', count(*) from events
-- name: mixed_case_names
select "Label" as "My Label", count(*) as "N" from measures group by "Label"
-- name: comments_and_whitespace
select /* one */ 1 -- two
  , 2
-- name: window_in_order_by ordered
select id from orders where id < 30 order by row_number() over (order by amount desc nulls last, id)
-- name: aggregate_in_order_by ordered
select status from orders group by status order by count(*) desc, status
-- name: having_alias_expression
select status, avg(amount) as a from orders group by status having avg(amount) > 400
