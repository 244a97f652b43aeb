-- $1 user, $2 line, $3 quantity.
update cart_items
   set quantity = $3
  from carts
 where carts.id = cart_items.cart_id
   and carts.user_id = $1
   and cart_items.id = $2
