-- The call of an agent that put the cells of a notebook into an order last: repeated after a crash, it finds here that it did.
alter table notebooks add column order_key text;
