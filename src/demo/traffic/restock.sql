-- $1 picks the product among the ten that have least, $2 is the number of boxes.
with low as (
    select id
      from inventory
     order by quantity - reserved, id
    offset floor($1::float8 * 10)
     limit 1
)
update inventory
   set quantity = quantity + 12 * $2, updated_at = now()
  from low
 where inventory.id = low.id
