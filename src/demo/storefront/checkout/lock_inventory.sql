-- $1 products, $2 variant of each, or null.
select inventory.id
  from inventory
  join unnest($1::bigint[], $2::bigint[]) as wanted (product_id, variant_id)
    on wanted.product_id = inventory.product_id
   and wanted.variant_id is not distinct from inventory.variant_id
 order by inventory.id
   for update of inventory
