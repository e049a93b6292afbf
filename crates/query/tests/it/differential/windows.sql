-- name: row_number
select id, row_number() over (order by amount desc nulls last, id) from orders
-- name: ranks
select id, rank() over (order by quantity), dense_rank() over (order by quantity), percent_rank() over (order by quantity), cume_dist() over (order by quantity) from orders
-- name: ranks_partitioned
select id, rank() over (partition by status order by quantity desc), dense_rank() over (partition by status order by quantity desc) from orders
-- name: ntile
select id, ntile(4) over (order by id), ntile(7) over (partition by kind order by id) from events
-- name: lag_lead
select id, lag(quantity) over (order by id), lead(quantity) over (order by id), lag(quantity, 3) over (order by id), lead(quantity, 2, -99) over (order by id) from orders
-- name: lag_default_types
select id, lag(status, 1, 'none') over (order by id), lag(amount, 1, 0) over (order by id), lag(id, 2, 0) over (order by id) from orders
-- name: lag_partitioned
select id, id - lag(id) over (partition by status order by id) from orders
-- name: first_last_value
select id, first_value(amount) over (partition by status order by id), last_value(amount) over (partition by status order by id rows between unbounded preceding and unbounded following) from orders
-- name: nth_value
select id, nth_value(id, 2) over (partition by kind order by id), nth_value(id, 2) over (partition by kind order by id rows between unbounded preceding and unbounded following) from events
-- name: running_sum
select id, sum(quantity) over (order by id), avg(quantity) over (order by id), count(*) over (order by id) from orders
-- name: running_sum_peers
select id, sum(quantity) over (order by status), count(*) over (order by status) from orders
-- name: total_and_share
select id, amount / sum(amount) over (partition by status), max(amount) over (), min(amount) over (partition by quantity) from orders
-- name: rows_frame
select id, sum(quantity) over (order by id rows between 2 preceding and current row), avg(amount) over (order by id rows between 1 preceding and 1 following) from orders
-- name: rows_frame_following
select id, count(quantity) over (order by id rows between 1 following and 3 following), max(amount) over (order by id rows between unbounded preceding and 1 preceding) from orders
-- name: range_frame
select id, count(*) over (order by quantity range between 2 preceding and 2 following) from orders where quantity is not null
-- name: range_frame_interval
select id, count(*) over (order by at range between interval '1 hour' preceding and current row) from events
-- name: groups_frame
select id, sum(id) over (order by quantity groups between 1 preceding and 1 following) from orders where quantity is not null
-- name: named_window
select id, sum(quantity) over w, row_number() over w from orders window w as (partition by status order by id)
-- name: named_windows_two
select id, rank() over a, sum(amount) over b from orders window a as (order by quantity), b as (partition by quantity)
-- name: window_over_aggregate
select status, sum(amount), rank() over (order by sum(amount) desc), sum(sum(amount)) over () from orders group by status
-- name: window_filter
select id, count(*) filter (where quantity > 10) over (order by id) from orders
-- name: window_in_expression
select id, amount - avg(amount) over (partition by status) as diff, 100 * amount / sum(amount) over () as pct from orders
-- name: window_in_subquery
select id from (select id, row_number() over (partition by customer_id order by ordered_at desc, id) as r from orders) t where r = 1
-- name: window_nulls_order
select id, row_number() over (order by score nulls first, id), row_number() over (order by score desc, id) from customers
-- name: window_order_by_expression
select id, sum(quantity) over (partition by id % 3 order by -id) from orders
-- name: moving_average ordered
select id, avg(value) over (order by at, id rows between 6 preceding and current row) from events order by at, id
-- name: window_distinct_from_group
select kind, date_trunc('day', at) as day, count(*), sum(count(*)) over (partition by kind order by date_trunc('day', at)) from events group by kind, date_trunc('day', at)
-- name: window_string_agg
select id, string_agg(status, ',') over (order by id) from orders where id < 8
-- name: window_bool
select id, bool_and(active) over (order by id), bool_or(score > 100) over (partition by city order by id) from customers
-- name: window_stddev
select id, stddev(amount) over (partition by status), variance(quantity) over (order by id rows between 9 preceding and current row) from orders
-- name: window_min_max_text
select id, min(status) over (order by id), max(status) over (order by id rows between 3 preceding and current row) from orders where id < 60
-- name: window_empty_partition
select id, sum(quantity) over (partition by status order by id) from orders where id < 0
-- name: window_of_dates
select id, max(ordered_at) over (partition by customer_id), ordered_at - first_value(ordered_at) over (partition by customer_id order by ordered_at) from orders
-- name: percent_rank_partition
select id, percent_rank() over (partition by kind order by value, id), cume_dist() over (partition by kind order by value, id) from events where value is not null
-- name: window_sum_types
select sum(id) over () / 7, avg(id) over (), sum(quantity::int) over () / 7 from orders where id < 4
-- name: frame_exclusive_bounds
select id, array_agg(id) over (order by id rows between 1 preceding and 1 following) from orders where id < 6
-- name: distinct_of_a_window_with_a_limit
select distinct status, max(quantity) over (partition by status) from orders limit 100
-- name: distinct_of_ordered_rows_with_a_limit
select distinct kind from (select kind, row_number() over (order by kind, id) as n from events) as numbered limit 100
