-- $1 picks the order among those on their way; with $2 = 3 one that is not paid yet may be cancelled.
with next as (
    select id
      from orders
     where status in ('pending', 'processing', 'shipped')
     order by id desc
    offset (select floor($1::float8 * least(count(*), 20))
              from orders
             where status in ('pending', 'processing', 'shipped'))
     limit 1
)
update orders
   set status = case status
                    when 'pending' then case when $2 = 3 and id % 7 = 0 then 'cancelled' else 'processing' end
                    when 'processing' then 'shipped'
                    else 'completed'
                end,
       payment_status = case when status = 'processing' then 'paid' else payment_status end,
       tracking_number = case when status = 'processing' then 'TRACK' || orders.id else tracking_number end,
       updated_at = now()
  from next
 where orders.id = next.id
