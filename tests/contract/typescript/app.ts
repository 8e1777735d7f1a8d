// What an app does with the client that is generated from the description of the API: whatever
// does not fit is an error of `tsc`, and so is a wrong use that is not one.

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Order = components["schemas"]["OrderView"];

const api = createClient<paths>({ baseUrl: "https://comanda.example" });

export async function firstScreen(): Promise<string> {
  const { data, error } = await api.GET("/api/home");
  if (error) return error.title;
  const dish = data.bestsellers?.[0];
  const door = data.cafeterias?.find((each) => each.isOpen);
  const missing: string | undefined = data.problems["balance"]?.type;
  return [data.greeting?.name, data.balance, dish?.price, door?.nextChange, missing].join();
}

export async function order(productId: number, total: string): Promise<Order | undefined> {
  const { data, error, response } = await api.POST("/api/orders", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { cafeteriaId: 1, items: [{ productId, quantity: 2 }], expectedTotal: total },
  });
  if (error?.type === "urn:comanda:problem:price-changed") console.log(error.present?.totalAmount);
  console.log(response.headers.get("Comanda-Fence"));
  return data;
}

export async function catchUp(since: string, seen: Map<number, number>): Promise<string> {
  const { data } = await api.GET("/api/orders/changes", { params: { query: { since } } });
  if (!data) return since;
  for (const each of data.data) {
    if ((seen.get(each.id) ?? 0) < each.version) seen.set(each.id, each.version);
  }
  return data.more ? catchUp(data.next, seen) : data.next;
}

export async function soldOut(productId: number): Promise<boolean> {
  const path = { product_id: productId };
  const shown = await api.GET("/api/products/{product_id}", { params: { path } });
  const seen = shown.response.headers.get("ETag") ?? "*";
  const changed = await api.PATCH("/api/products/{product_id}", {
    params: { path, header: { "If-Match": seen } },
    body: { isAvailable: false },
  });
  return changed.response.status === 412 ? soldOut(productId) : changed.data?.isAvailable === false;
}

export async function wrong(): Promise<void> {
  // @ts-expect-error There is no such address.
  await api.GET("/api/nothing");
  // @ts-expect-error An order has a key.
  await api.POST("/api/orders", { body: { cafeteriaId: 1, items: [] } });
  await api.POST("/api/orders/{order_id}/status", {
    params: { path: { order_id: 1 } },
    // @ts-expect-error Nobody eats an order.
    body: { status: "eaten", version: 1 },
  });
  // @ts-expect-error A change names what was seen.
  await api.DELETE("/api/products/{product_id}", { params: { path: { product_id: 1 } } });
  const { data } = await api.GET("/api/me");
  // @ts-expect-error Nobody is told a password.
  console.log(data?.password);
}
