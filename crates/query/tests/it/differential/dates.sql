-- name: extract_parts
select extract(year from ordered_at), extract(month from ordered_at), extract(day from ordered_at), extract(hour from ordered_at), extract(minute from ordered_at), extract(second from ordered_at) from orders
-- name: extract_weeks
select extract(dow from joined), extract(isodow from joined), extract(doy from joined), extract(week from joined), extract(isoyear from joined), extract(quarter from joined) from customers
-- name: extract_epoch
select extract(epoch from joined), extract(epoch from at) from customers, events where customers.id = events.id
-- name: extract_long
select extract(century from joined), extract(decade from joined), extract(millennium from joined), extract(milliseconds from joined), extract(microseconds from joined), extract(julian from date_trunc('day', joined)) from customers
-- name: date_part
select date_part('year', joined), date_part('dow', joined), date_part('epoch', joined), date_part('week', joined) from customers
-- name: extract_divides_like_numeric
select extract(year from joined) / 10, extract(month from joined) / 4 from customers
-- name: date_trunc_all
select date_trunc('second', at), date_trunc('minute', at), date_trunc('hour', at), date_trunc('day', at), date_trunc('week', at), date_trunc('month', at), date_trunc('quarter', at), date_trunc('year', at), date_trunc('decade', at), date_trunc('century', at) from events
-- name: date_trunc_date
select date_trunc('month', date '2024-05-17'), date_trunc('week', date '2021-01-01')
-- name: date_trunc_interval
select date_trunc('hour', interval '3 days 02:47:33'), date_trunc('month', interval '1 year 5 mons 10 days')
-- name: date_literals
select date '2024-02-29', timestamp '2024-12-31 23:59:59.5', time '10:20:30', '2020-01-01'::date, '2020-01-01 10:00'::timestamp, interval '1 day'
-- name: date_arithmetic
select date '2024-02-28' + 1, date '2024-03-01' - 1, date '2024-03-01' - date '2024-02-01', 7 + date '2024-01-01'
-- name: date_intervals
select date '2024-01-31' + interval '1 month', date '2024-02-29' + interval '1 year', date '2024-03-31' - interval '1 month', date '2024-01-01' + interval '36 hours'
-- name: timestamp_intervals
select joined + interval '1 month', joined - interval '1 year 2 months 3 days', joined + interval '90 minutes' from customers
-- name: timestamp_difference
select at - timestamp '2024-02-26 00:00:00', timestamp '2024-03-01' - timestamp '2024-02-28 12:30:00' from events
-- name: column_differences
select max(ordered_at) - min(ordered_at) from orders
-- name: age
select age(timestamp '2024-03-01', timestamp '2023-01-31'), age(timestamp '2024-02-29', timestamp '2020-02-29'), age(timestamp '2023-01-31', timestamp '2024-03-01'), age(date '2024-12-31', date '2024-01-01')
-- name: age_of_columns
select age(timestamp '2025-01-01', joined) from customers
-- name: interval_arithmetic
select interval '1 day' * 3, interval '1 month' / 2, interval '1 day' + interval '2 hours', 2 * interval '90 minutes', - interval '1 day', interval '1 hour' * 1.5
-- name: interval_formats
select interval '1 year 2 months', interval '3 weeks', interval '01:30:00', interval '-1 day 02:00', interval '1.5 hours', interval '2' day, interval '10' minute, interval 'P1DT2H'
-- name: interval_comparison
select interval '1 month' = interval '30 days', interval '1 day' = interval '24 hours', interval '1 hour' < interval '61 minutes', interval '1 year' > interval '11 months'
-- name: interval_extract
select extract(day from interval '3 days 04:05:06'), extract(hour from interval '3 days 04:05:06'), extract(epoch from interval '1 day 1 hour'), extract(month from interval '1 year 3 months'), extract(epoch from interval '1 month')
-- name: interval_text
select (interval '1 day 02:03:04')::text, (interval '-1 month')::text, (interval '0')::text
-- name: timestamp_text
select joined::text, joined::date, joined::date::text, joined::time from customers
-- name: timestamps_as_text_concat
select 'at ' || date '2024-01-01', 'at ' || timestamp '2024-01-01 10:00:00', 'for ' || interval '1 hour'
-- name: date_comparisons
select count(*) from orders where ordered_at >= '2024-01-01' and ordered_at < '2025-01-01' and ordered_at <> '2024-02-29 00:00:00'
-- name: date_between
select count(*) from orders where ordered_at between '2023-01-01' and '2023-12-31 23:59:59' or ordered_at::date = '2024-02-29'
-- name: date_in_list
select count(*) from orders where ordered_at::date in ('2024-02-29', '2020-12-31', '2019-12-31')
-- name: date_column_to_date_compare
select count(*) from customers where joined > date '2020-01-01' and joined::date <= date '2021-01-01'
-- name: to_char_dates
select to_char(timestamp '2024-03-05 15:04:09.12', 'YYYY-MM-DD HH24:MI:SS'), to_char(timestamp '2024-03-05 15:04:09.12', 'Mon DD, YYYY'), to_char(timestamp '2024-03-05 15:04:09.12', 'FMMonth FMDDth, YYYY'), to_char(timestamp '2024-03-05 15:04:09.12', 'Day HH12:MI am'), to_char(timestamp '2024-03-05 15:04:09.12', 'Q IYYY-IW DDD D ID'), to_char(date '2024-03-05', 'DD/MM/YY'), to_char(timestamp '2024-03-05 15:04:09.12', 'MS US SSSS'), to_char(timestamp '2024-03-05 15:04:09.12', 'MONTH mon DY dy WW W CC J'), to_char(timestamp '2024-12-05 00:04:09', 'HH12 HH24 AM P.M. RM "text" Y,YYY')
-- name: to_char_columns
select to_char(ordered_at, 'YYYY-MM'), count(*) from orders group by 1
-- name: to_char_intervals
select to_char(interval '15h 2m 12s', 'HH24:MI:SS'), to_char(interval '3 days', 'DD')
-- name: to_date
select to_date('2024-03-05', 'YYYY-MM-DD'), to_date('05 Mar 2024', 'DD Mon YYYY'), to_date('20240305', 'YYYYMMDD'), to_date('March 5, 2024', 'Month DD, YYYY'), to_date('24-065', 'YY-DDD')
-- name: to_timestamp
select to_timestamp('2024-03-05 15:04:09', 'YYYY-MM-DD HH24:MI:SS'), to_timestamp('05/03/2024 03:04 PM', 'DD/MM/YYYY HH12:MI AM'), to_timestamp(1700000000), to_timestamp(1700000000.5)
-- name: make_functions
select make_date(2024, 2, 29), make_time(10, 20, 30.5), make_timestamp(2024, 2, 29, 10, 20, 30.5), make_interval(1, 2, 3, 4, 5, 6, 7.5), make_interval()
-- name: generate_days ordered
select d::date from generate_series(date '2024-02-27', date '2024-03-02', interval '1 day') as d order by 1
-- name: generate_months ordered
select to_char(m, 'YYYY-MM') from generate_series(timestamp '2023-11-30', timestamp '2024-04-30', interval '1 month') m order by m
-- name: generate_numbers ordered
select n, n * n from generate_series(1, 5) as n order by n
-- name: generate_steps ordered
select * from generate_series(10, 0, -3) order by 1 desc
-- name: generate_fill_gaps ordered
select day::date, count(e.id) from generate_series(timestamp '2024-02-26', timestamp '2024-03-05', interval '1 day') as day left join events e on date_trunc('day', e.at) = day group by day order by day
-- name: group_by_month ordered
select date_trunc('month', ordered_at) as month, count(*), sum(amount) from orders group by 1 order by 1
-- name: group_by_weekday ordered
select extract(isodow from ordered_at) as weekday, count(*) from orders group by weekday order by weekday
-- name: leap_days
select id, ordered_at from orders where extract(month from ordered_at) = 2 and extract(day from ordered_at) = 29
-- name: year_ends
select id, ordered_at + interval '1 day' from orders where to_char(ordered_at, 'MM-DD') = '12-31'
-- name: order_by_date_nulls ordered
select id, joined from customers order by joined desc, id
-- name: order_by_date_nulls_last ordered
select id, joined from customers order by joined desc nulls last, id
-- name: first_of_next_month
select distinct (date_trunc('month', ordered_at) + interval '1 month')::date from orders
-- name: days_since
select id, extract(day from timestamp '2025-06-01' - ordered_at) from orders where id < 40
-- name: quarter_label
select extract(year from ordered_at) || '-Q' || extract(quarter from ordered_at) as label, count(*) from orders group by 1
-- name: week_buckets
select date_trunc('week', at)::date as week, count(*) from events group by 1
-- name: date_bin
select date_bin(interval '15 minutes', at, timestamp '2024-01-01'), count(*) from events group by 1
-- name: at_time_zone
select timestamp '2024-07-01 12:00' at time zone 'America/New_York', timestamptz '2024-07-01 12:00+00' at time zone 'Europe/Prague', timestamp '2024-01-01 12:00' at time zone 'UTC'
-- name: time_arithmetic
select time '10:00' + interval '90 minutes', time '10:00' - time '08:30', date '2024-01-01' + time '10:30'
-- name: justify
select age(timestamp '2024-01-01 10:00', timestamp '2024-01-01 09:30')
-- name: epoch_round_trip
select to_timestamp(extract(epoch from joined)) at time zone 'UTC' = joined from customers where joined is not null
-- name: before_1970
select timestamp '1969-12-31 23:59:59' + interval '1 second', extract(epoch from timestamp '1969-12-31 23:59:59'), date_trunc('hour', timestamp '1969-12-31 23:30:00')
-- name: ancient_dates
select date '0001-01-01', extract(year from date '0001-01-01'), date '9999-12-31' + 1, extract(century from date '1900-12-31')
-- name: rolling_difference ordered
select id, at - lag(at) over (order by at, id) from events order by at, id limit 40
-- name: current_is_now
select current_date = now()::date, current_timestamp = now(), now() - now() = interval '0'
-- name: timestamp_min_max_group
select status, min(ordered_at), max(ordered_at), count(distinct ordered_at::date) from orders group by status
-- name: month_names
select to_char(make_date(2024, m, 1), 'FMMonth') from generate_series(1, 12) m
-- name: casts_between_times
select timestamp '2024-01-01 10:20:30'::date, timestamp '2024-01-01 10:20:30'::time, date '2024-01-01'::timestamp, '10:30'::time::text, time '10:30'::interval

-- name: justified_intervals ordered
select id, justify_days(interval '35 days' * quantity), justify_hours(interval '27 hours' * quantity),
  justify_interval(interval '1 mon -1 hour' * quantity), isfinite(ordered_at)
from orders where quantity is not null order by id
