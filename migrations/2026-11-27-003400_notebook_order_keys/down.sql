alter table notebooks drop column order_key;
