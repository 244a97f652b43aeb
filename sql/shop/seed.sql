-- Something to sell: the same shop every time, and only into an empty one.

insert into stores (name)
select name
  from unnest(array['Harbour Hardware', 'Little Garden', 'Paper & Ink', 'North Kitchen', 'Trail & Tent'])
       with ordinality as store (name, n)
 where not exists (select from stores)
 order by n;

insert into sellers (name, store_id)
select name, (n - 1) % 5 + 1
  from unnest(array['Ada', 'Bruno', 'Chiara', 'Dmitri', 'Esra', 'Farid', 'Greta', 'Hugo'])
       with ordinality as seller (name, n)
 where not exists (select from sellers)
 order by n;

insert into users (name)
select name
  from unnest(array['Amelie Roth', 'Ben Osei', 'Carla Nunes', 'Daniel Kim', 'Elif Kaya', 'Finn Larsen', 'Grace Mbeki',
                    'Hana Sato', 'Ivan Petrov', 'Julia Weber', 'Kofi Asante', 'Lena Novak', 'Marco Bianchi',
                    'Nadia Haddad', 'Oskar Lind', 'Priya Nair', 'Quentin Roux', 'Rosa Vidal', 'Samir Khan',
                    'Tess de Vries', 'Umut Demir', 'Vera Horvat', 'Will Byrne', 'Xenia Popov', 'Yusuf Ali'])
       with ordinality as customer (name, n)
 where not exists (select from users)
 order by n;

insert into categories (name)
select name
  from unnest(array['Tools', 'Garden', 'Stationery', 'Kitchen', 'Outdoor']) with ordinality as category (name, n)
 where not exists (select from categories)
 order by n;

-- 300 products: 20 adjectives and 15 things, in an order that does not look like a table.
insert into products (store_id, seller_id, category_id, name, description, images, price, status, attributes, options, pack_sizes)
select (n % 8) % 5 + 1,
       n % 8 + 1,
       n % 5 + 1,
       format('%s %s', adjective, thing),
       format('A %s %s, made to be used every day.', lower(adjective), lower(thing)),
       array[format('/images/%s.jpg', n)],
       (n * 37 % 190 + 5) + 0.90,
       case when n % 40 = 0 then 'inactive' else 'active' end,
       jsonb_build_object('colour', (array['blue', 'green', 'red', 'natural'])[n % 4 + 1]),
       case when n % 5 = 0 then '[{"name": "Size", "values": ["S", "M", "L"]}]'::jsonb else '[]' end,
       case when n % 6 = 0 then '{6,12,24}'::int[] else '{}' end
  from generate_series(1, 300) as n,
       lateral (select (array['Oak', 'Steel', 'Copper', 'Linen', 'Wool', 'Ceramic', 'Folding', 'Classic', 'Compact', 'Nordic',
                              'Bamboo', 'Leather', 'Enamel', 'Travel', 'Walnut', 'Granite', 'Cotton', 'Glass', 'Cork', 'Brass'
                             ])[n % 20 + 1] as adjective,
                       (array['Kettle', 'Lantern', 'Notebook', 'Hammer', 'Planter', 'Mug', 'Stool', 'Backpack', 'Knife',
                              'Blanket', 'Lamp', 'Tray', 'Bottle', 'Brush', 'Basket'
                             ])[n / 20 % 15 + 1] as thing) as words
 where not exists (select from products)
 order by n;

-- Every fifth product comes in three sizes.
insert into product_variants (product_id, sku, name, price)
select product.id, format('P%s-%s', product.id, size), size, product.price + extra
  from products as product,
       (values ('S', 0), ('M', 2), ('L', 5)) as sizes (size, extra)
 where product.id % 5 = 0
   and not exists (select from product_variants)
 order by product.id, extra;

-- Some of it is low, and a few things are sold out.
insert into inventory (product_id, variant_id, quantity, reserved)
select product_id, variant_id,
       case when product_id % 47 = 0 then product_id % 3 else product_id * 13 % 90 + 3 end,
       product_id % 3
  from (select id as product_id, null::bigint as variant_id from products
        union all
        select product_id, id from product_variants) as stocked
 where not exists (select from inventory)
 order by product_id, variant_id nulls first;

-- One running, one about to start, one over, one limited.
insert into sales (product_id, discount_percent, starts_at, ends_at, stock_limit)
select product_id, discount, now() + starts, now() + ends, stock_limit
  from (values (1, 20, interval '-1 hour', interval '1 day', null),
               (2, 15, interval '2 minutes', interval '2 hours', null),
               (3, 50, interval '-2 days', interval '-1 day', null),
               (4, 30, interval '-1 hour', interval '7 days', 20)) as sale (product_id, discount, starts, ends, stock_limit)
 where not exists (select from sales)
   and exists (select from products where id = product_id)
 order by product_id;

-- The last four days, an order an hour: what is old is done, what is new is open.
insert into orders (order_number, user_id, seller_id, store_id, status, payment_status, total, tracking_number,
                    created_at, updated_at)
select format('A-%s', 1000 + n),
       n * 7 % 25 + 1,
       n % 8 + 1,
       (n % 8) % 5 + 1,
       status,
       case when status in ('shipped', 'completed') then 'paid' else 'pending' end,
       (select sum(price) * (n % 3 + 1) from products where seller_id = n % 8 + 1 and id % 25 = n % 25),
       case when status in ('shipped', 'completed') then 'TRACK' || n end,
       now() - (100.5 - n) * interval '1 hour',
       now() - (100.5 - n) * interval '30 minutes'
  from generate_series(1, 100) as n,
       lateral (select case when n > 94 then 'pending' when n > 82 then 'processing' when n > 60 then 'shipped'
                            when n % 19 = 0 then 'cancelled' else 'completed' end) as progress (status)
 where not exists (select from orders)
 order by n;

insert into order_items (order_id, product_id, quantity, price)
select purchase.id, product.id, purchase.id % 3 + 1, product.price
  from orders as purchase
  join products as product on product.seller_id = purchase.seller_id and product.id % 25 = purchase.id % 25
 where purchase.order_number like 'A-%'
   and not exists (select from order_items);

insert into carts (user_id)
select n from generate_series(1, 10) as n
 where not exists (select from carts)
 order by n;

insert into cart_items (cart_id, product_id, quantity)
select cart.id, product.id, 1 + product.id % 3
  from carts as cart
  join products as product on product.id % 60 = cart.id
 where not exists (select from cart_items)
 order by cart.id, product.id;

insert into wholesale_invitations (seller_id, buyer_id, status)
select n, n + 10, (array['sent', 'accepted', 'rejected'])[n % 3 + 1]
  from generate_series(1, 6) as n
 where not exists (select from wholesale_invitations)
 order by n;

insert into wholesale_orders (seller_id, buyer_id, status, total, deposit_paid_at)
select n, n + 10, 'placed', n * 500, case when n % 2 = 0 then now() - interval '1 hour' end
  from generate_series(1, 4) as n
 where not exists (select from wholesale_orders)
 order by n;

-- A draft, one that is waited for, and one that is about to expire.
insert into quotations (seller_id, buyer_id, status, total, sent_at, expires_at)
select seller_id, buyer_id, status, total, now() + sent, now() + expires
  from (values (1, 11, 'draft', 900, null, interval '7 days'),
               (2, 12, 'sent', 1200, interval '-1 hour', interval '7 days'),
               (3, 13, 'sent', 450, interval '-1 day', interval '3 minutes')
       ) as quotation (seller_id, buyer_id, status, total, sent, expires)
 where not exists (select from quotations)
 order by seller_id;

insert into notifications (user_id, kind, title)
select user_id, kind, title
  from (values (1, 'order', 'Your order is on its way'), (null, 'system', 'Welcome to the shop')
       ) as notification (user_id, kind, title)
 where not exists (select from notifications);
