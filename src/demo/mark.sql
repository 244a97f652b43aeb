-- By this the demo knows its own tables when it finds them again.
do $$
declare
    own text;
begin
    foreach own in array array['stores', 'sellers', 'users', 'categories', 'products', 'product_variants',
                               'inventory', 'sales', 'orders', 'order_items', 'carts', 'cart_items',
                               'wholesale_invitations', 'wholesale_orders', 'quotations', 'notifications',
                               'product_views'] loop
        execute format('comment on table public.%I is %L', own, 'Part of the pgbell demo shop.');
    end loop;
    comment on view public.seller_metrics is 'Part of the pgbell demo shop.';
end
$$;
