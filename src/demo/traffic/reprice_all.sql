-- $1 picks the seller, $2 how much all of their prices move, back to where they came from in the long run.
-- In the order of ids, as a checkout locks them: two in different orders could wait for each other.
with changed as (
    select id
      from products
     where seller_id = (select id
                          from sellers
                         order by id
                        offset (select floor($1::float8 * count(*)) from sellers)
                         limit 1)
     order by id
       for no key update
)
update products
   set price = round(case when price > 100 then price * (1 - 0.01 * $2) else price * (1 + 0.01 * $2) end, 2),
       updated_at = now()
  from changed
 where products.id = changed.id
