const EUROS = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });

export const money = (amount: number) => EUROS.format(amount);
