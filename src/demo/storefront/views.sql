-- What several answers of the storefront's API have in common. Harmless to run again.

-- Of several sales that run, the one with the best discount counts. Time goes on within a transaction that waits for
-- locks, hence statement_timestamp().
create or replace view product_cards as
select product.id,
       product.seller_id,
       product.store_id,
       product.category_id,
       product.name,
       product.status,
       product.price,
       sale.id as sale_id,
       coalesce(sale.discount_percent, 0) as discount,
       sale.badge as sale,
       product.id * 47 % 360 as image_hue,
       jsonb_build_object(
           'id', product.id,
           'name', product.name,
           'price', product.price,
           'pays', round(product.price * (100 - coalesce(sale.discount_percent, 0)) / 100, 2),
           'status', product.status,
           'image_hue', product.id * 47 % 360,
           'category', category.name,
           'category_id', product.category_id,
           'seller_id', product.seller_id,
           'seller', seller.name,
           'store_id', product.store_id,
           'available', stock.available,
           'low', stock.available <= stock.threshold,
           'sale', sale.badge,
           'variants', (select count(*) from product_variants where product_id = product.id)) as card
  from products as product
  left join sellers as seller on seller.id = product.seller_id
  left join categories as category on category.id = product.category_id
  left join lateral (
    select id, discount_percent, jsonb_build_object('discount_percent', discount_percent, 'ends_at', ends_at) as badge
      from sales
     where product_id = product.id
       and starts_at <= statement_timestamp()
       and (ends_at is null or ends_at > statement_timestamp())
       and (stock_limit is null or sold_count < stock_limit)
     order by discount_percent desc, id
     limit 1
 ) as sale on true
 cross join lateral (
    select coalesce(sum(quantity - reserved), 0) as available, coalesce(max(low_stock_threshold), 10) as threshold
      from inventory
     where product_id = product.id
 ) as stock;

create or replace view order_cards as
select purchase.id,
       purchase.user_id,
       purchase.seller_id,
       jsonb_build_object(
           'id', purchase.id,
           'order_number', purchase.order_number,
           'status', purchase.status,
           'payment_status', purchase.payment_status,
           'total', purchase.total,
           'tracking_number', purchase.tracking_number,
           'created_at', purchase.created_at,
           'updated_at', purchase.updated_at,
           'user_id', purchase.user_id,
           'user_name', customer.name,
           'seller_id', purchase.seller_id,
           'seller', seller.name) as card
  from orders as purchase
  left join users as customer on customer.id = purchase.user_id
  left join sellers as seller on seller.id = purchase.seller_id;

-- A line for each thing that runs low: a variant is another thing than its product.
create or replace view low_stock as
select product.seller_id,
       stock.available,
       stock.product_id,
       jsonb_build_object(
           'product_id', stock.product_id,
           'variant_id', stock.variant_id,
           'name', concat_ws(' · ', product.name, variant.name),
           'available', stock.available,
           'threshold', stock.threshold) as card
  from (select product_id, variant_id, quantity - reserved as available, coalesce(low_stock_threshold, 10) as threshold
          from inventory) as stock
  join products as product on product.id = stock.product_id
  left join product_variants as variant on variant.id = stock.variant_id
 where stock.available <= stock.threshold;

comment on view product_cards is 'Part of the pgbell demo shop.';
comment on view order_cards is 'Part of the pgbell demo shop.';
comment on view low_stock is 'Part of the pgbell demo shop.';
