-- $1 seller, $2 category, $3 words of the name, $4 page, $5 size of a page. Neighbours by id are alike: 61 has no
-- common divisor with the 300 products of the seed, so that a page shows things of every kind, beginning with the first.
with found as (
    select id, (id - 1) * 61 % 300 as place
      from products
     where status = 'active'
       and ($1::bigint is null or seller_id = $1::bigint)
       and ($2::bigint is null or category_id = $2::bigint)
       and ($3::text is null or strpos(lower(name), lower($3::text)) > 0)
), page as (
    select id, place from found order by place, id offset ($4::bigint - 1) * $5::bigint limit $5::bigint
)
select jsonb_build_object(
    'items', (select coalesce(jsonb_agg(card order by place, id), '[]') from product_cards join page using (id)),
    'total', count(*),
    'page', $4::bigint,
    'pages', ceil(count(*)::numeric / $5::bigint))
  from found
