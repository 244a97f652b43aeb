insert into stores (id, name) values (1, 'North'), (2, 'South');
insert into products (id, store_id, seller_id, name, price) values
    (1, 1, 11, 'Kettle', 10.50), (2, 1, 11, 'Lamp', 20), (3, 1, 11, 'Chair', 30), (4, 2, 12, 'Table', 40);
insert into product_variants (id, product_id, sku, name) values (7, 1, 'K-red', 'red');
insert into inventory (product_id, variant_id, quantity) values
    (1, null, 100), (1, 7, 50), (2, null, 100), (3, null, 0), (4, null, 100);
