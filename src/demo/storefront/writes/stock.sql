-- $1 product, $2 variant, $3 what is on the shelf from now on, besides what is reserved.
with counted as (
    update inventory
       set quantity = reserved + $3, updated_at = now()
     where product_id = $1
       and variant_id is not distinct from $2
    returning id
), stocked as (
    insert into inventory (product_id, variant_id, quantity)
    select product.id, $2, $3
      from products as product
     where product.id = $1
       and ($2 is null or exists (select from product_variants where id = $2 and product_id = $1))
       and not exists (select from counted)
    returning id
)
select id from counted
union all
select id from stocked
