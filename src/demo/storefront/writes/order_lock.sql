-- $1 order.
select status from orders where id = $1 for update
