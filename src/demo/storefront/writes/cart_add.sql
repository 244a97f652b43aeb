-- $1 user, $2 product, $3 variant, $4 quantity, $5 most of one thing.
with cart as (
    select id from carts where user_id = $1 order by id limit 1
), new_cart as (
    insert into carts (user_id)
    select $1 where not exists (select from cart)
    returning id
), folded as (
    update cart_items
       set quantity = least(quantity + $4, $5)
     where id = (select min(item.id)
                   from cart_items as item join carts on carts.id = item.cart_id
                  where carts.user_id = $1 and item.product_id = $2 and item.variant_id is not distinct from $3)
    returning id
)
insert into cart_items (cart_id, product_id, variant_id, quantity)
select coalesce((select id from cart), (select id from new_cart)), $2, $3, $4
 where not exists (select from folded)
