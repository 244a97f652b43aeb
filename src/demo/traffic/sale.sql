-- $1 picks the product, $2 the discount. Starts in 3 to 9 seconds and lasts 20 to 60. One sale per product.
insert into sales (product_id, discount_percent, starts_at, ends_at, stock_limit)
select product.id, 10 * $2, now() + $2 * interval '3 seconds', now() + $2 * interval '23 seconds',
       case when $2 = 3 then 5 end
  from (select id
          from products
         order by id
        offset (select floor($1::float8 * count(*)) from products)
         limit 1) as product
 where not exists (select from sales where sales.product_id = product.id and sales.ends_at > now())
