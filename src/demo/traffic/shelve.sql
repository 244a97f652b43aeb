-- $1 picks the product. With $2 = 1 one leaves the shelf, unless too many have; otherwise one comes back.
with changed as (
    select id
      from products
     where status = case when $2 = 1 and (select count(*) < 20 from products where status = 'inactive')
                         then 'active'
                         else 'inactive'
                    end
     order by md5(id::text || $1::text)
     limit 1
)
update products
   set status = case status when 'active' then 'inactive' else 'active' end, updated_at = now()
  from changed
 where products.id = changed.id
