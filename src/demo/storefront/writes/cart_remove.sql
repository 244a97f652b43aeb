-- $1 user, $2 line; without it, all.
delete from cart_items
 using carts
 where carts.id = cart_items.cart_id
   and carts.user_id = $1
   and ($2::bigint is null or cart_items.id = $2)
