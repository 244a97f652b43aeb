-- $1 order, $2 status, $3 tracking number, $4 payment status; null leaves it as it is.
update orders
   set status = coalesce($2, status),
       tracking_number = coalesce($3, tracking_number),
       payment_status = coalesce($4, payment_status),
       updated_at = now()
 where id = $1
