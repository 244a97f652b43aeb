-- :rows products, each with stock, a sale and an order.
set pgbell.enabled = off;

insert into products (store_id, seller_id, name)
select n % 5 + 1, n % 8 + 1, 'product ' || n from generate_series(1, :rows) as n;

insert into inventory (product_id, quantity) select id, 1000000000 from products;

insert into sales (product_id, discount_percent) select id, 10 from products;

insert into orders (order_number, user_id, seller_id, store_id)
select 'A-' || id, id % 100, seller_id, store_id from products;
