-- $1 user. What is done to the cart of one user is done in turn; checkouts begin with the same lock.
select id from users where id = $1 for no key update
