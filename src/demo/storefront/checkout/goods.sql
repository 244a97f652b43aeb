-- $1 products, $2 variant of each, or null. What each of them is now; nothing that is gone. Prices are in cents.
select wanted.place - 1 as place,
       product.seller_id,
       product.store_id,
       product.status = 'active' as for_sale,
       product.sale_id,
       (100 * round(coalesce(variant.price, product.price) * (100 - product.discount) / 100, 2))::bigint as cents,
       coalesce(stock.quantity - stock.reserved, 0) as available
  from unnest($1::bigint[], $2::bigint[]) with ordinality as wanted (product_id, variant_id, place)
  join product_cards as product on product.id = wanted.product_id
  left join product_variants as variant on variant.id = wanted.variant_id and variant.product_id = product.id
  left join inventory as stock
         on stock.product_id = product.id
        and stock.variant_id is not distinct from wanted.variant_id
 where wanted.variant_id is null
    or variant.id is not null
