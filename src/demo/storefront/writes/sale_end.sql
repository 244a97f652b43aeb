-- $1 product. In the order in which a checkout locks them.
with running as (
    select id
      from sales
     where product_id = $1
       and starts_at <= statement_timestamp()
       and (ends_at is null or ends_at > statement_timestamp())
     order by id
       for update
)
update sales set ends_at = statement_timestamp() from running where sales.id = running.id
