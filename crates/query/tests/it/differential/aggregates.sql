-- name: count_variants
select count(*), count(amount), count(distinct status), count(distinct customer_id) from orders
-- name: sum_avg_types
select sum(quantity), avg(quantity), sum(amount), avg(amount) from orders
-- name: sum_of_literals
select sum(1), sum(1) / 2, sum(2.5), avg(2) from orders
-- name: sum_divided_by_count
select status, sum(quantity) / count(*) as mean, sum(quantity) / count(quantity) as mean2 from orders group by status
-- name: integer_share_truncates
select sum(case when status = 'paid' then 1 else 0 end) / count(*) as share from orders
-- name: percentage
select status, round(100.0 * count(*) / (select count(*) from orders), 2) as percent from orders group by status
-- name: percentage_of_window
select status, count(*) * 100.0 / sum(count(*)) over () as percent from orders group by status
-- name: min_max
select min(quantity), max(quantity), min(amount), max(amount), min(status), max(status), min(ordered_at), max(ordered_at) from orders
-- name: group_by_position
select status, count(*) from orders group by 1
-- name: group_by_alias
select date_trunc('month', ordered_at) as month, count(*) as n from orders group by month
-- name: group_by_expression
select extract(year from ordered_at), count(*) from orders group by extract(year from ordered_at)
-- name: group_by_two_expressions
select quantity % 3, status is null, count(*) from orders group by quantity % 3, status is null
-- name: having_aggregate
select customer_id, count(*) from orders group by customer_id having count(*) > 8 and sum(amount) > 1000
-- name: having_without_group
select count(*) from orders having count(*) > 1000
-- name: filter_clause
select count(*) filter (where status = 'paid') as paid, sum(amount) filter (where quantity > 10) as big, avg(quantity) filter (where status is null) as unknown from orders
-- name: filter_grouped
select kind, count(*) filter (where value > 60) as high, count(*) filter (where value is null) as none from events group by kind
-- name: bool_aggregates
select bool_and(active), bool_or(active), every(active) from customers where id < 30
-- name: bool_aggregates_grouped
select city, bool_and(active), bool_or(score > 100) from customers group by city
-- name: stddev_and_variance
select stddev(amount), stddev_samp(amount), stddev_pop(amount), variance(amount), var_samp(amount), var_pop(amount) from orders
-- name: stddev_of_one_row
select stddev(amount), stddev_pop(amount), variance(amount), var_pop(amount) from orders where id = 1
-- name: stddev_of_integers
select stddev(quantity), var_pop(quantity) from orders
-- name: correlation
select corr(amount, quantity), covar_pop(amount, quantity), covar_samp(amount, quantity) from orders
-- name: regression
select regr_slope(amount, quantity), regr_intercept(amount, quantity), regr_r2(amount, quantity), regr_count(amount, quantity), regr_avgx(amount, quantity), regr_avgy(amount, quantity), regr_sxx(amount, quantity), regr_syy(amount, quantity), regr_sxy(amount, quantity) from orders
-- name: percentile_cont
select percentile_cont(0.5) within group (order by amount), percentile_cont(0.25) within group (order by amount), percentile_cont(0.9) within group (order by amount desc) from orders
-- name: percentile_cont_grouped
select status, percentile_cont(0.5) within group (order by quantity) from orders group by status
-- name: percentile_disc
select percentile_disc(0.5) within group (order by quantity), percentile_disc(0) within group (order by quantity), percentile_disc(1) within group (order by quantity), percentile_disc(0.75) within group (order by amount desc) from orders
-- name: percentile_disc_text
select percentile_disc(0.5) within group (order by status) from orders
-- name: percentile_disc_grouped
select kind, percentile_disc(0.9) within group (order by value) from events group by kind
-- name: mode
select mode() within group (order by status), mode() within group (order by quantity desc) from orders
-- name: mode_grouped
select kind, mode() within group (order by payload) from events group by kind
-- name: string_agg_ordered
select string_agg(status, ',' order by id) from orders where id < 12
-- name: string_agg_distinct
select string_agg(distinct status, '|' order by status) from orders
-- name: string_agg_grouped
select customer_id, string_agg(status, '; ' order by ordered_at, id) from orders where customer_id < 10 group by customer_id
-- name: string_agg_of_nothing
select string_agg(status, ',') from orders where id < 0
-- name: array_agg_ordered
select array_agg(quantity order by id) from orders where id <= 10
-- name: array_agg_distinct
select array_agg(distinct status order by status) from orders where status is not null
-- name: array_agg_grouped
select kind, array_agg(id order by id desc) from events where id < 20 group by kind
-- name: empty_aggregates
select count(*), sum(quantity), avg(quantity), min(status), max(amount), stddev(amount), string_agg(status, ',') from orders where id < 0
-- name: empty_groups
select status, count(*) from orders where id < 0 group by status
-- name: distinct_sum
select sum(distinct quantity), avg(distinct quantity), count(distinct quantity) from orders
-- name: distinct_grouped
select status, count(distinct customer_id), sum(distinct quantity) from orders group by status
-- name: bit_aggregates
select bit_and(quantity), bit_or(quantity) from orders where quantity > 0
-- name: rollup
select status, extract(year from ordered_at) as year, count(*), sum(quantity) from orders group by rollup(status, extract(year from ordered_at))
-- name: cube
select kind, value is null as missing, count(*) from events group by cube(kind, value is null)
-- name: grouping_sets
select status, quantity % 2 as odd, count(*) from orders group by grouping sets ((status), (quantity % 2), ())
-- name: grouping_function
select status, customer_id % 2 as parity, grouping(status), grouping(status, customer_id % 2), count(*) from orders group by rollup(status, customer_id % 2)
-- name: grouping_sets_with_having
select status, count(*) from orders group by grouping sets ((status), ()) having count(*) > 50
-- name: rollup_ordered ordered
select kind, count(*) from events group by rollup(kind) order by grouping(kind), kind
-- name: nested_aggregates
select avg(n), max(n) from (select customer_id, count(*) as n from orders group by customer_id) as counts
-- name: aggregate_of_case
select sum(case when quantity > 10 then amount else 0 end), avg(case when quantity > 10 then amount end), count(case when status = 'new' then 1 end) from orders
-- name: aggregate_arithmetic
select sum(amount * quantity) / nullif(sum(quantity), 0), max(amount) - min(amount), count(*) * 2 + 1 from orders
-- name: group_by_boolean
select active, count(*), avg(score) from customers group by active
-- name: group_by_null_key
select city, count(*) from customers group by city having city is null or city = ''
-- name: group_having_alias_order ordered
select city, count(*) as n from customers group by city order by n desc, city nulls first
-- name: distinct_rows
select distinct status, quantity % 2 from orders
-- name: distinct_on ordered
select distinct on (customer_id) customer_id, id, amount from orders where customer_id < 12 order by customer_id, ordered_at desc, id
-- name: distinct_on_expression ordered
select distinct on (date_trunc('day', at)) date_trunc('day', at) as day, id from events order by date_trunc('day', at), id desc
-- name: avg_of_avg
select avg(a) from (select avg(quantity) as a from orders group by status) t
-- name: group_by_mod_and_sign
select sign(quantity), abs(quantity) % 4, count(*) from orders group by sign(quantity), abs(quantity) % 4
-- name: max_by_subquery
select id, amount from orders where amount = (select max(amount) from orders)
-- name: variance_grouped
select status, variance(amount), stddev_pop(quantity) from orders group by status
-- name: corr_of_constant
select corr(1, quantity), regr_slope(quantity, 1) from orders
-- name: count_star_of_join_group
select c.city, count(o.id), count(*) from customers c left join orders o on o.customer_id = c.id group by c.city
-- name: sum_over_nothing_but_nulls
select sum(value), avg(value), count(value) from events where value is null
-- name: min_max_boolean_case
select max(case when active then 1 else 0 end), min(case when active then 1 else 0 end) from customers
-- name: having_with_subquery
select customer_id, sum(amount) from orders group by customer_id having sum(amount) > (select avg(total) from (select sum(amount) as total from orders group by customer_id) t)
-- name: sum_of_big_integers
select sum(x), max(x), min(x), avg(x) from measures
-- name: sum_of_small_casts
select sum(quantity::int), sum(quantity::smallint), avg(quantity::int) from orders
-- name: median_by_percentile_over_dates
select percentile_disc(0.5) within group (order by ordered_at) from orders
