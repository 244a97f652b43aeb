-- Keeps the newest 2000 orders, and sales until a minute after they ended. $1 and $2 do not matter.
with old_sales as (
    delete from sales
     where ends_at < now() - interval '1 minute'
       and $1::float8 is not null
       and $2::int is not null
)
delete from orders
 where id <= (select id from orders order by id desc offset 2000 limit 1)
