-- $1 user, $2 what is bought: an array of {product_id, variant_id, quantity, pays, seller_id, store_id, sale_id}.
with bought as (
    select *
      from jsonb_to_recordset($2::jsonb)
           as line (product_id bigint, variant_id bigint, quantity int, pays numeric,
                    seller_id bigint, store_id bigint, sale_id bigint)
), taken as (
    update inventory
       set quantity = inventory.quantity - bought.quantity, updated_at = now()
      from bought
     where inventory.product_id = bought.product_id
       and inventory.variant_id is not distinct from bought.variant_id
), counted as (
    update sales
       set sold_count = sold_count + sold.quantity
      from (select sale_id, sum(quantity) as quantity from bought group by sale_id) as sold
     where sales.id = sold.sale_id
), emptied as (
    delete from cart_items
     using carts, bought
     where carts.user_id = $1
       and cart_items.cart_id = carts.id
       and cart_items.product_id = bought.product_id
       and cart_items.variant_id is not distinct from bought.variant_id
), numbered as (
    select nextval(pg_get_serial_sequence('orders', 'id')) as id, of_seller.*
      from (select seller_id, min(store_id) as store_id, sum(quantity * pays) as total
              from bought
             group by seller_id
             order by seller_id) as of_seller
), purchases as (
    insert into orders (id, order_number, user_id, seller_id, store_id, total)
    select id, 'S-' || id, $1, seller_id, store_id, total from numbered
    returning id, order_number, total, seller_id
), items as (
    insert into order_items (order_id, product_id, variant_id, quantity, price)
    select purchases.id, bought.product_id, bought.variant_id, bought.quantity, bought.pays
      from purchases join bought using (seller_id)
)
select jsonb_build_object('orders', jsonb_agg(jsonb_build_object(
           'id', id, 'order_number', order_number, 'total', total, 'seller_id', seller_id) order by id))::text
  from purchases
