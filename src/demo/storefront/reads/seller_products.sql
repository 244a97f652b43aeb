-- $1 seller, $2 page, $3 size of a page. What is off the shelf is there as well.
with found as (
    select id from products where seller_id = $1::bigint
), page as (
    select id from found order by id offset ($2::bigint - 1) * $3::bigint limit $3::bigint
)
select jsonb_build_object(
    'items', (select coalesce(jsonb_agg(card order by id), '[]') from product_cards join page using (id)),
    'total', (select count(*) from found),
    'page', $2::bigint,
    'pages', (select ceil(count(*)::numeric / $3::bigint) from found))
  from sellers
 where id = $1::bigint
