-- $1 product, $2 by how many cents.
update products
   set price = price + $2 * 0.01, updated_at = now()
 where id = $1
   and price + $2 * 0.01 >= 0
