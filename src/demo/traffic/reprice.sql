-- $1 picks the product, $2 is how much the price changes; dear products get cheaper.
with changed as (
    select id
      from products
     order by id
    offset (select floor($1::float8 * count(*)) from products)
     limit 1
)
update products
   set price = case when price > 100 then price - $2 else price + $2 end, updated_at = now()
  from changed
 where products.id = changed.id
