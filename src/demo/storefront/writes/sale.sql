-- $1 product, $2 discount, $3 seconds until it starts, $4 seconds that it lasts.
insert into sales (product_id, discount_percent, starts_at, ends_at)
select id, $2::float8::numeric(5, 2), now() + $3 * interval '1 second', now() + ($3 + $4) * interval '1 second'
  from products
 where id = $1
