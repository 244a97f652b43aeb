-- $1 products.
select id
  from sales
 where product_id = any($1)
   and (ends_at is null or ends_at > statement_timestamp())
 order by id
   for update
