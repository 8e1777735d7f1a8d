// The same questions as Comanda answers, as the documentation of NestJS and TypeORM would have it.
import { createHash, randomInt } from 'node:crypto';
import {
  BadRequestException, Body, ConflictException, Controller, Get, Headers, Inject, Injectable, Module,
  NotFoundException, Param, ParseIntPipe, Post, Query,
} from '@nestjs/common';
import { InjectDataSource, InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Type } from 'class-transformer';
import { ArrayNotEmpty, IsArray, IsInt, IsOptional, IsString, Max, Min, ValidateNested } from 'class-validator';
import { createClient } from 'redis';
import { DataSource, FindOptionsSelect, In, MoreThanOrEqual, Repository } from 'typeorm';
import { IdempotencyKey, Order, OrderItem, OutboxEvent, Product, Transaction, Wallet } from './entities';

const REDIS = 'REDIS';
type Redis = ReturnType<typeof createClient>;
const redisProvider = {
  provide: REDIS,
  useFactory: async () => {
    const client = createClient({ url: process.env.PEER_REDIS_URL });
    client.on('error', console.error);
    await client.connect();
    return client;
  },
};

class PageDto {
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) page: number = 1;
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(100) limit: number = 20;
}
class ListOrdersDto extends PageDto {
  @IsOptional() @IsString() fields?: string;
  @Type(() => Number) @IsInt() userId: number;
}
class NewItemDto {
  @IsInt() productId: number;
  @IsInt() @Min(1) @Max(99) quantity: number;
}
class NewOrderDto {
  @IsInt() userId: number;
  @IsInt() cafeteriaId: number;
  @IsArray() @ArrayNotEmpty() @ValidateNested({ each: true }) @Type(() => NewItemDto) items: NewItemDto[];
}

function page<T>(data: T[], total: number, query: PageDto) {
  return { data, pagination: { total, page: query.page, limit: query.limit, totalPages: Math.ceil(total / query.limit) } };
}

@Injectable()
export class ProductsService {
  constructor(
    @InjectRepository(Product) private readonly products: Repository<Product>,
    @Inject(REDIS) private readonly redis: Redis,
  ) {}

  async list(query: PageDto) {
    const key = `products:${query.page}:${query.limit}`;
    const hit = await this.redis.get(key);
    if (hit) return JSON.parse(hit);
    const [data, total] = await this.products.findAndCount({
      select: { id: true, cafeteriaId: true, categoryId: true, name: true, description: true, priceMinor: true, stock: true, isAvailable: true },
      order: { id: 'ASC' }, skip: (query.page - 1) * query.limit, take: query.limit,
    });
    const answer = page(data, total, query);
    await this.redis.setEx(key, 1800, JSON.stringify(answer));
    return answer;
  }
}

const FIELDS = new Set(['id', 'userId', 'cafeteriaId', 'status', 'totalMinor', 'version', 'pickupCode', 'createdAt', 'updatedAt']);
const LETTERS = 'CDFGHJKMNPQRTVWXY34679';

@Injectable()
export class OrdersService {
  constructor(@InjectRepository(Order) private readonly orders: Repository<Order>, @InjectDataSource() private readonly source: DataSource) {}

  async list(query: ListOrdersDto) {
    let select: FindOptionsSelect<Order> | undefined;
    if (query.fields) {
      select = {};
      for (const field of query.fields.split(',')) {
        if (!FIELDS.has(field)) throw new BadRequestException(`unknown field ${field}`);
        (select as Record<string, boolean>)[field] = true;
      }
    }
    const [data, total] = await this.orders.findAndCount({
      where: { userId: query.userId }, select, order: { createdAt: 'DESC' }, skip: (query.page - 1) * query.limit, take: query.limit,
    });
    return page(data, total, query);
  }

  async detail(id: number) {
    const order = await this.orders.createQueryBuilder('o')
      .leftJoinAndSelect('o.items', 'i').leftJoinAndSelect('i.product', 'p')
      .where('o.id = :id', { id }).getOne();
    if (!order) throw new NotFoundException();
    return order;
  }

  // As Comanda does it: once a key, stock and money move with it, and an event is kept with it.
  create(body: NewOrderDto, key: string) {
    if (!key) throw new BadRequestException('Idempotency-Key');
    const digest = createHash('sha256').update(JSON.stringify(body)).digest();
    return this.source.transaction(async (manager) => {
      const kept = await manager.findOneBy(IdempotencyKey, { userId: body.userId, key });
      if (kept) return JSON.parse(kept.answer.toString());
      const products = await manager.find(Product, { where: { id: In(body.items.map((item) => item.productId)), cafeteriaId: body.cafeteriaId } });
      const byId = new Map(products.map((product) => [Number(product.id), product]));
      let total = 0;
      for (const item of [...body.items].sort((a, b) => a.productId - b.productId)) {
        const product = byId.get(item.productId);
        if (!product) throw new NotFoundException(`product ${item.productId}`);
        const sold = await manager.update(Product, { id: item.productId, stock: MoreThanOrEqual(item.quantity) },
          { stock: () => `stock - ${item.quantity}`, version: () => 'version + 1' });
        if (!sold.affected) throw new ConflictException(`${product.name} is sold out`);
        total += product.priceMinor * item.quantity;
      }
      const order = await manager.save(manager.create(Order, {
        userId: body.userId, cafeteriaId: body.cafeteriaId, status: 'created', totalMinor: total,
        pickupCode: Array.from({ length: 5 }, () => LETTERS[randomInt(LETTERS.length)]).join(''),
        items: body.items.map((item) => manager.create(OrderItem, {
          productId: item.productId, quantity: item.quantity, unitPriceMinor: byId.get(item.productId)!.priceMinor,
        })),
      }));
      const paid = await manager.update(Wallet, { userId: body.userId, balanceMinor: MoreThanOrEqual(total) },
        { balanceMinor: () => `balance_minor - ${total}` });
      if (!paid.affected) throw new ConflictException('not enough money');
      await manager.insert(Transaction, {
        userId: body.userId, orderId: order.id, kind: 'payment', amountMinor: -total, reference: `payment:${order.id}`,
      });
      await manager.insert(OutboxEvent, {
        kind: 'order:created', payload: { orderId: order.id, userId: body.userId, cafeteriaId: body.cafeteriaId, status: 'created', version: 1 },
      });
      const answer = { ...order, items: order.items.map(({ productId, quantity, unitPriceMinor }) => ({ productId, quantity, unitPriceMinor })) };
      await manager.insert(IdempotencyKey, { userId: body.userId, key, scope: 'order', digest, answer: Buffer.from(JSON.stringify(answer)) });
      return answer;
    });
  }
}

@Controller('products')
export class ProductsController {
  constructor(private readonly products: ProductsService) {}
  @Get() list(@Query() query: PageDto) { return this.products.list(query); }
}

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}
  @Get() list(@Query() query: ListOrdersDto) { return this.orders.list(query); }
  @Get(':id') detail(@Param('id', ParseIntPipe) id: number) { return this.orders.detail(id); }
  @Post() create(@Body() body: NewOrderDto, @Headers('idempotency-key') key: string) { return this.orders.create(body, key); }
}

@Controller('health')
export class HealthController {
  @Get() health() { return { status: 'up' }; }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres', url: process.env.PEER_DATABASE_URL, synchronize: false, logging: false, extra: { max: 20 },
      entities: [IdempotencyKey, Order, OrderItem, OutboxEvent, Product, Transaction, Wallet],
    }),
    TypeOrmModule.forFeature([Product, Order]),
  ],
  controllers: [ProductsController, OrdersController, HealthController],
  providers: [redisProvider, ProductsService, OrdersService],
})
export class AppModule {}
