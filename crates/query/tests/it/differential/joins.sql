-- name: inner_join
select c.name, o.id, o.amount from customers c join orders o on o.customer_id = c.id where o.amount > 900
-- name: left_join
select c.id, o.id from customers c left join orders o on o.customer_id = c.id and o.amount > 800
-- name: right_join
select c.id, o.id from orders o right join customers c on o.customer_id = c.id and o.quantity > 30
-- name: full_join
select c.id, o.id from customers c full join orders o on o.customer_id = c.id where c.id is null or o.id is null
-- name: join_using
select id, name, kind from customers join events using (id) where id < 20
-- name: join_using_star
select * from customers join events using (id) where id < 5
-- name: natural_join
select count(*) from customers natural join events
-- name: cross_join
select count(*), sum(c.id * e.id) from customers c cross join events e where e.id < 10
-- name: comma_join
select c.city, count(*) from customers c, orders o where c.id = o.customer_id group by c.city
-- name: self_join
select a.id, b.id from customers a join customers b on a.city = b.city and a.id < b.id
-- name: three_way_join
select c.city, e.kind, count(*) from customers c join orders o on o.customer_id = c.id join events e on e.id = o.id group by c.city, e.kind
-- name: non_equi_join
select count(*) from customers c join orders o on o.customer_id > c.id and o.amount < c.score
-- name: join_on_expression
select count(*) from orders o join events e on o.id % 10 = e.id % 10 and date_trunc('day', o.ordered_at) < e.at
-- name: join_null_keys
select count(*) from orders a join orders b on a.quantity = b.quantity and a.id <> b.id where a.id < 50
-- name: same_column_names
select c.id, o.id, c.id = o.customer_id from customers c join orders o on o.customer_id = c.id where o.id < 20
-- name: same_columns_star
select * from customers a join customers b on a.id = b.id where a.id < 4
-- name: repeated_expressions
select 1, 1, id, id, upper(status), upper(status) from orders where id < 4
-- name: star_and_column
select *, id from orders where id < 4
-- name: table_star_and_column
select o.*, c.name from orders o join customers c on c.id = o.customer_id where o.id < 6
-- name: derived_table
select city, n from (select city, count(*) as n from customers group by city) as counts where n > 8
-- name: derived_table_names
select count, "?column?", upper from (select count(*), 1 + 1, upper('x') from orders) t
-- name: column_aliases
select a, b from (select id, name from customers where id < 5) as t(a, b)
-- name: exists_correlated
select id from customers c where exists (select 1 from orders o where o.customer_id = c.id and o.amount > 900)
-- name: not_exists
select id from customers c where not exists (select 1 from orders o where o.customer_id = c.id)
-- name: in_subquery
select count(*) from orders where customer_id in (select id from customers where city = 'Oslo')
-- name: not_in_subquery
select count(*) from orders where customer_id not in (select id from customers where city = 'Oslo')
-- name: not_in_subquery_with_nulls
select count(*) from customers where id not in (select customer_id from orders)
-- name: scalar_subquery
select id, amount - (select avg(amount) from orders) as diff from orders where id < 30
-- name: correlated_scalar
select c.id, (select max(o.amount) from orders o where o.customer_id = c.id) as largest from customers c
-- name: correlated_count
select c.id, (select count(*) from orders o where o.customer_id = c.id) as n from customers c
-- name: correlated_in_where
select o.id from orders o where o.amount > (select avg(i.amount) from orders i where i.customer_id = o.customer_id)
-- name: any_all_subquery
select count(*) from orders where amount > all (select amount from orders where status = 'new' and amount is not null and amount < 500) or quantity = any (select 3 union select 4)
-- name: row_comparison
select count(*) from orders where (status, quantity) in (('paid', 3), ('new', 4)) or (id, quantity) = (7, 8)
-- name: cte_simple
with big as (select * from orders where amount > 500) select status, count(*) from big group by status
-- name: cte_chain
with monthly as (select date_trunc('month', ordered_at) as m, sum(amount) as total from orders group by 1), ranked as (select m, total, rank() over (order by total desc) as r from monthly) select m, total from ranked where r <= 5
-- name: cte_used_twice
with t as (select customer_id, sum(amount) as s from orders group by customer_id) select a.customer_id, b.customer_id from t a join t b on a.s > b.s and a.customer_id = b.customer_id + 1
-- name: cte_shadows_table
with orders as (select 1 as id) select * from orders
-- name: cte_columns
with t(a, b) as (select 1, 'x' union all select 2, 'y') select b, a from t
-- name: recursive_numbers ordered
with recursive t(n) as (select 1 union all select n + 1 from t where n < 20) select n from t order by n
-- name: recursive_fibonacci ordered
with recursive f(i, a, b) as (select 1, 0::bigint, 1::bigint union all select i + 1, b, a + b from f where i < 30) select i, a from f order by i
-- name: recursive_tree
with recursive tree as (select id, 1 as depth from customers where id = 1 union all select c.id, t.depth + 1 from customers c join tree t on c.id = t.id * 2 or c.id = t.id * 2 + 1) select id, depth from tree
-- name: recursive_union_distinct
with recursive t(n) as (select 0 union select (n + 3) % 7 from t) select n from t
-- name: union_all
select id from customers where id < 5 union all select id from orders where id < 5
-- name: union_distinct
select status from orders union select kind from events
-- name: except_intersect
(select customer_id from orders except select id from customers where id < 30) union all (select id from customers intersect select customer_id from orders where amount > 900)
-- name: except_all
select quantity from orders where id < 100 except all select quantity from orders where id >= 200
-- name: intersect_all
select quantity from orders where id < 100 intersect all select quantity from orders where id >= 100 and id < 150
-- name: union_types
select 1 as v union all select 2.5 union all select null
-- name: union_ordered ordered
select id, 'c' as kind from customers where id <= 3 union all select id, 'o' from orders where id <= 3 order by id desc, kind limit 4 offset 1
-- name: set_precedence
select 1 union select 2 intersect select 3
-- name: values_list
select * from (values (1, 'a'), (2, 'b'), (3, null)) as t(n, s) where n > 1
-- name: values_types
select n + 1, s || '!' from (values (1, 'a'), (2, 'b')) as t(n, s)
-- name: lateral_subquery
select c.id, t.id, t.amount from customers c, lateral (select o.id, o.amount from orders o where o.customer_id = c.id) as t where c.id < 10
-- name: lateral_left
select c.id, t.n from customers c left join lateral (select count(*) as n from orders o where o.customer_id = c.id) t on true
-- name: nested_subqueries
select count(*) from (select distinct customer_id from (select customer_id from orders where amount > 100) a) b
-- name: subquery_in_from_with_limit ordered
select * from (select id, amount from orders where amount is not null order by amount desc, id limit 5) t order by id
-- name: limit_offset ordered
select id from orders order by id limit 5 offset 10
-- name: fetch_first ordered
select id from orders order by id desc offset 2 rows fetch first 3 rows only
-- name: order_by_expression ordered
select id, quantity from orders where quantity is not null order by quantity % 5, -id
-- name: order_by_position ordered
select status, id from orders order by 1 nulls first, 2 desc limit 20
-- name: order_by_alias ordered
select id, amount * quantity as total from orders order by total desc nulls last, id limit 10
-- name: order_by_hidden_column ordered
select id from orders order by ordered_at, id limit 10
-- name: quoted_names
select "Label", "First Name", count(*) as "Number of Rows" from measures group by "Label", "First Name"
-- name: semi_join_distinct
select distinct c.city from customers c join orders o on o.customer_id = c.id where o.status = 'returned'
-- name: anti_join_left
select c.id from customers c left join orders o on o.customer_id = c.id where o.id is null
-- name: join_with_aggregated
select c.name, t.total from customers c join (select customer_id, sum(amount) as total from orders group by customer_id) t on t.customer_id = c.id where t.total > 2500
-- name: case_in_join
select count(*) from customers c join orders o on o.customer_id = case when c.active then c.id else c.id + 1 end
-- name: full_join_coalesce
select coalesce(a.q, b.q) as q, a.n, b.n from (select quantity as q, count(*) as n from orders where id < 200 group by quantity) a full join (select quantity as q, count(*) as n from orders where id >= 200 group by quantity) b on a.q = b.q
-- name: where_with_alias_of_table
select orders.id from orders where orders.id < 3
-- name: public_schema
select count(*) from public.orders
-- name: exists_uncorrelated
select count(*) from customers where exists (select 1 from orders where amount > 900)
-- name: scalar_subquery_empty
select (select amount from orders where id < 0), coalesce((select max(id) from orders where id < 0), 0)
-- name: all_and_any_with_nulls
select id, amount > all (select amount from orders where id < 4), amount > any (select amount from orders where id < 60), quantity <> all (select quantity from orders where id < 10), quantity = all (select 5), amount <= any (select amount from orders where id < 0), amount >= all (select amount from orders where id < 0) from orders
-- name: all_of_correlated
select count(*) from orders o where amount >= all (select amount from orders i where i.customer_id = o.customer_id and amount is not null)
-- name: exists_and_in_select_list
select c.id, exists (select 1 from orders o where o.customer_id = c.id and o.amount > 900), c.id in (select customer_id from orders where quantity > 20), not exists (select * from orders where id < 0), c.id not in (select null::bigint union all select 3) from customers c
-- name: except_all_counts_nulls
select status, quantity > 10 from orders except all select status, quantity > 10 from orders where id % 3 = 0
-- name: intersect_all_of_texts
select city from customers intersect all select city from customers where id % 2 = 0
-- name: bag_operations_nest
(select quantity from orders except all select quantity from orders where id < 300) intersect all (select quantity from orders union all select 7)
-- name: using_in_every_clause
select id, id / 2 as half, count(*) from customers join events using (id) where id + 1 > 3 and id < 30 group by id having max(id) < 20 order by id
-- name: using_of_outer_joins
select id, customers.id is null, events.id is null from customers full join events using (id) where id between 55 and 65
-- name: using_of_a_right_join
select id, name, kind from customers right join events using (id) where id > 58 and id < 64
-- name: using_twice
select id, c.name, e.kind, o.amount from customers c join events e using (id) left join orders o using (id) where id < 9
