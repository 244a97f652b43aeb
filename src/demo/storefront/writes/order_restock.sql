-- $1 order, which is cancelled: what it took comes back. In the order in which a checkout locks.
with back as (
    select product_id, variant_id, sum(quantity) as quantity
      from order_items
     where order_id = $1
     group by product_id, variant_id
), locked as (
    select inventory.id, back.quantity
      from inventory
      join back on back.product_id = inventory.product_id
               and back.variant_id is not distinct from inventory.variant_id
     order by inventory.id
       for update of inventory
)
update inventory
   set quantity = inventory.quantity + locked.quantity, updated_at = now()
  from locked
 where inventory.id = locked.id
