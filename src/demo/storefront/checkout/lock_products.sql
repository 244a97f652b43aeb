-- $1 products. Prices and statuses stay as they are until the checkout is over.
select id from products where id = any($1) order by id for share
