ALTER TABLE schedules ADD COLUMN id_used boolean NOT NULL DEFAULT false;
