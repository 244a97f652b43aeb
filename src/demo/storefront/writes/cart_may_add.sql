-- $1 user, $2 product, $3 variant, $4 most lines. No row: there is no such thing.
select product.status = 'active',
       exists (select from cart_items as item join carts on carts.id = item.cart_id
                where carts.user_id = $1 and item.product_id = $2 and item.variant_id is not distinct from $3)
       or (select count(*) < $4 from cart_items as item join carts on carts.id = item.cart_id where carts.user_id = $1)
  from products as product
 where product.id = $2
   and ($3 is null or exists (select from product_variants where id = $3 and product_id = product.id))
