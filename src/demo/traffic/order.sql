-- $1 picks the product, $2 is how many are bought. Locks as a checkout does: the stock, then the sale that counts.
with wanted as (
    select product.id, product.seller_id, product.store_id, card.sale_id,
           round(product.price * (100 - card.discount) / 100, 2) as pays
      from (select id, seller_id, store_id, price
              from products
             where status = 'active'
             order by id
            offset (select floor($1::float8 * count(*)) from products where status = 'active')
             limit 1) as product
      join product_cards as card on card.id = product.id
), taken as (
    update inventory
       set quantity = quantity - $2, updated_at = now()
      from wanted
     where inventory.product_id = wanted.id
       and inventory.variant_id is null
       and inventory.quantity - inventory.reserved >= $2
    returning wanted.*
), counted as (
    update sales
       set sold_count = sold_count + $2
      from taken
     where sales.id = taken.sale_id
), purchase as (
    insert into orders (id, order_number, user_id, seller_id, store_id, total)
    select number, 'D-' || number, 1 + floor($1::float8 * 1e6)::bigint % 25,
           taken.seller_id, taken.store_id, taken.pays * $2
      from taken, nextval(pg_get_serial_sequence('orders', 'id')) as number
    returning id
)
insert into order_items (order_id, product_id, quantity, price)
select purchase.id, taken.id, $2, taken.pays
  from purchase, taken
