// Comanda's own tables, as TypeORM has them.
import {
  Column, CreateDateColumn, Entity, JoinColumn, ManyToOne, OneToMany, PrimaryColumn,
  PrimaryGeneratedColumn, UpdateDateColumn, ValueTransformer,
} from 'typeorm';

// pg hands out bigint as text.
const whole: ValueTransformer = { to: (value) => value, from: (value) => (value === null ? null : Number(value)) };

@Entity('products')
export class Product {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' }) id: number;
  @Column('bigint', { name: 'cafeteria_id', transformer: whole }) cafeteriaId: number;
  @Column('bigint', { name: 'category_id', transformer: whole }) categoryId: number;
  @Column('text') name: string;
  @Column('text') description: string;
  @Column('bigint', { name: 'price_minor', transformer: whole }) priceMinor: number;
  @Column('int') stock: number;
  @Column('boolean', { name: 'is_available' }) isAvailable: boolean;
  @Column('int') version: number;
}

@Entity('orders')
export class Order {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' }) id: number;
  @Column('bigint', { name: 'user_id', transformer: whole }) userId: number;
  @Column('bigint', { name: 'cafeteria_id', transformer: whole }) cafeteriaId: number;
  @Column('text') status: string;
  @Column('bigint', { name: 'total_minor', transformer: whole }) totalMinor: number;
  @Column('int', { default: 1 }) version: number;
  @Column('text', { name: 'pickup_code', nullable: true }) pickupCode: string | null;
  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' }) createdAt: Date;
  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' }) updatedAt: Date;
  @OneToMany(() => OrderItem, (item) => item.order, { cascade: ['insert'] }) items: OrderItem[];
}

@Entity('order_items')
export class OrderItem {
  @PrimaryColumn('bigint', { name: 'order_id', transformer: whole }) orderId: number;
  @PrimaryColumn('bigint', { name: 'product_id', transformer: whole }) productId: number;
  @ManyToOne(() => Order, (order) => order.items) @JoinColumn({ name: 'order_id' }) order?: Order;
  @ManyToOne(() => Product) @JoinColumn({ name: 'product_id' }) product?: Product;
  @Column('smallint') quantity: number;
  @Column('bigint', { name: 'unit_price_minor', transformer: whole }) unitPriceMinor: number;
}

@Entity('wallets')
export class Wallet {
  @PrimaryColumn('bigint', { name: 'user_id', transformer: whole }) userId: number;
  @Column('bigint', { name: 'balance_minor', transformer: whole }) balanceMinor: number;
}

@Entity('transactions')
export class Transaction {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' }) id: number;
  @Column('bigint', { name: 'user_id', transformer: whole }) userId: number;
  @Column('bigint', { name: 'order_id', transformer: whole }) orderId: number;
  @Column('text') kind: string;
  @Column('bigint', { name: 'amount_minor', transformer: whole }) amountMinor: number;
  @Column('text') reference: string;
}

@Entity('idempotency_keys')
export class IdempotencyKey {
  @PrimaryColumn('bigint', { name: 'user_id', transformer: whole }) userId: number;
  @PrimaryColumn('text') key: string;
  @Column('text') scope: string;
  @Column('bytea') digest: Buffer;
  @Column('bytea') answer: Buffer;
}

@Entity('outbox')
export class OutboxEvent {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' }) id: number;
  @Column('text') kind: string;
  @Column('jsonb') payload: object;
}
