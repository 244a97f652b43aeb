-- $1 picks the seller, $2 how much all of their prices move, back to where they came from in the long run.
with changed as (
    select id
      from sellers
     order by id
    offset (select floor($1::float8 * count(*)) from sellers)
     limit 1
)
update products
   set price = round(case when price > 100 then price * (1 - 0.01 * $2) else price * (1 + 0.01 * $2) end, 2),
       updated_at = now()
  from changed
 where products.seller_id = changed.id
