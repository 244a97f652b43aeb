-- $1 picks the product, $2 how well it is praised.
with changed as (
    select id
      from products
     order by id
    offset (select floor($1::float8 * count(*)) from products)
     limit 1
)
update products
   set description = format('A %s, made to be used %s.', lower(name),
                            (array['every day', 'for a lifetime', 'with pleasure'])[$2]),
       updated_at = now()
  from changed
 where products.id = changed.id
