//! The index: for each law of the stages who keeps it, and what shows that it is broken.
//!
//! ```text
//!   (item or test, file)      no file: the one that states the law
//!   (name, tests/MUTANTS.md)  a bug that was planted, and caught by the suite named there
//! ```

use super::Kept;

/// In the order of the stages.
pub(super) const KEPT: &[Kept] = &[
    Kept {
        id: "INV-ARENA-1",
        by: &[("Arena::store", "")],
        caught: &[("what_was_stored_is_there_however_much_follows", "")],
    },
    Kept {
        id: "INV-CHUNKS-1",
        by: &[("SkipList::build_node", "stage1-memtable/src/skiplist.rs")],
        caught: &[("what_was_added_stays_whatever_follows", "")],
    },
    Kept {
        id: "INV-CURSOR-1",
        by: &[
            ("impl Cursor for MemTableCursor", "stage1-memtable/src/memtable.rs"),
            ("MergingCursor::precedes", "stage5-compaction/src/merge.rs"),
        ],
        caught: &[
            ("a_cursor_moves_like_one_over_a_sorted_list", "stage1-memtable/tests/promise.rs"),
            ("a_merge_moves_like_one_sorted_list", "stage5-compaction/src/merge.rs"),
        ],
    },
    Kept {
        id: "INV-CURSOR-2",
        by: &[
            ("impl Cursor for MemTableCursor", "stage1-memtable/src/memtable.rs"),
            ("MergingCursor::turn", "stage5-compaction/src/merge.rs"),
        ],
        caught: &[
            ("only_a_seek_brings_a_cursor_back_from_behind_an_end", "stage1-memtable/tests/promise.rs"),
            ("only_a_seek_brings_it_back_from_behind_an_end", "stage5-compaction/tests/laws/concat.rs"),
        ],
    },
    Kept {
        id: "INV-CURSOR-3",
        by: &[
            ("ConcatCursor::enter", "stage5-compaction/src/concat.rs"),
            ("MergingCursor::stop_after_failure", "stage5-compaction/src/merge.rs"),
        ],
        caught: &[
            ("damage_sticks_whatever_is_sought_behind_it", "stage5-compaction/tests/laws/concat.rs"),
            (
                "a_merge_ends_at_the_first_damage_of_any_source_and_stays_there",
                "stage5-compaction/tests/laws/merge.rs",
            ),
        ],
    },
    Kept {
        id: "INV-KEY-1",
        by: &[("impl Ord for InternalKey", "")],
        caught: &[("the_newest_version_of_a_key_comes_first", "")],
    },
    Kept {
        id: "INV-KEY-2",
        by: &[("Appender::append", "stage2-wal/src/journal/mod.rs")],
        caught: &[("a_batch_is_applied_in_its_order", "stage6-engine/tests/api.rs")],
    },
    Kept {
        id: "INV-KEY-3",
        by: &[("KeyHeads::of", "")],
        caught: &[("heads_never_contradict_the_order", "")],
    },
    Kept {
        id: "INV-LOOKUP-1",
        by: &[
            ("impl Lookup for MemTable", "stage1-memtable/src/memtable.rs"),
            ("impl Lookup for Version", "stage5-compaction/src/version.rs"),
            ("impl Lookup for State", "stage6-engine/src/state.rs"),
        ],
        caught: &[
            ("the_first_answer_from_the_top_ends_a_lookup", "stage5-compaction/tests/laws/version.rs"),
            ("get-skips-tombstones", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-MEM-1",
        by: &[("MemTable::insert", "")],
        caught: &[("sizes_grow_with_every_entry_and_nothing_is_merged", "stage1-memtable/tests/promise.rs")],
    },
    Kept {
        id: "INV-MEM-2",
        by: &[("MemTable::insert", "")],
        caught: &[(
            "a_reader_never_misses_an_entry_whose_sequence_was_published",
            "stage1-memtable/tests/beside_a_writer.rs",
        )],
    },
    Kept {
        id: "INV-POSITION-1",
        by: &[("Rank::is_before", "")],
        caught: &[("a_cursor_moves_like_one_over_a_sorted_list", "stage1-memtable/tests/promise.rs")],
    },
    Kept {
        id: "INV-SHORTCUT-1",
        by: &[("MemTable::insert", "stage1-memtable/src/memtable.rs")],
        caught: &[("the_order_of_inserts_is_not_seen", "stage1-memtable/tests/promise.rs")],
    },
    Kept {
        id: "INV-SIEVE-1",
        by: &[("MemTable::insert", "stage1-memtable/src/memtable.rs")],
        caught: &[("every_key_that_was_added_passes", "")],
    },
    Kept {
        id: "INV-SKIP-1",
        by: &[("SkipList::insert", "")],
        caught: &[
            ("floor-before-node", "tests/MUTANTS.md"),
            ("linked-before-it-leads-on", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-SKIP-2",
        by: &[("link", "")],
        caught: &[(
            "a_reader_never_misses_an_entry_whose_sequence_was_published",
            "stage1-memtable/tests/beside_a_writer.rs",
        )],
    },
    Kept {
        id: "INV-SYNC-1",
        by: &[("//!", "")],
        caught: &[("what_threads_tell_one_another_comes_from_one_module", "tests/tests/structure.rs")],
    },
    Kept {
        id: "INV-BATCH-1",
        by: &[("Appender::append", "stage2-wal/src/journal/mod.rs"), ("Batch::read", "")],
        caught: &[
            ("what_the_grammar_does_not_allow_is_malformed", ""),
            (
                "every_crash_leaves_a_prefix_that_holds_all_that_was_promised",
                "stage2-wal/tests/journal_crash.rs",
            ),
        ],
    },
    Kept {
        id: "INV-CODING-1",
        by: &[("Decoder::take", "")],
        caught: &[
            ("a_length_beyond_the_input_is_malformed_before_anything_is_read", ""),
            ("no_bytes_make_a_decoder_panic", ""),
        ],
    },
    Kept {
        id: "INV-JOURNAL-1",
        by: &[("Appender::append", "")],
        caught: &[
            ("nothing_ever_follows_a_failed_append", "stage2-wal/src/journal/tests.rs"),
            ("write-skips-log", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-JOURNAL-2",
        by: &[("Journal::persist", ""), ("Appender::promise", "")],
        caught: &[("what_is_appended_while_a_sync_runs_is_not_promised", "stage2-wal/src/journal/tests.rs")],
    },
    Kept {
        id: "INV-JOURNAL-3",
        by: &[("Appender::what_to_sync", ""), ("prepare", "")],
        caught: &[
            (
                "every_crash_leaves_a_prefix_that_holds_all_that_was_promised",
                "stage2-wal/tests/journal_crash.rs",
            ),
            ("older-log-unsynced", "tests/MUTANTS.md"),
            ("log-name-unsynced", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-JOURNAL-4",
        by: &[("Appender::check", ""), ("Appender::fail", "")],
        caught: &[
            ("after_a_failed_sync_nothing_is_acknowledged", "stage2-wal/src/journal/tests.rs"),
            ("synced-later-acknowledges", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-REPLAY-1",
        by: &[("Replay::takes", "")],
        caught: &[("a_gap_ends_the_replay", "stage2-wal/src/journal/tests.rs")],
    },
    Kept {
        id: "INV-REPLAY-2",
        by: &[("Replay::finish", "")],
        caught: &[
            ("damage_below_a_promise_is_corruption_and_no_torn_tail", "stage2-wal/src/journal/tests.rs"),
            ("promise-ignored", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-REPLAY-3",
        by: &[("Replay::follow", ""), ("Replay::pass_over", "")],
        caught: &[("replay_lists_every_stretch_that_it_passes_over", "stage2-wal/tests/recovery_modes.rs")],
    },
    Kept {
        id: "INV-REPLAY-4",
        by: &[("Replay::finish", "")],
        caught: &[(
            "what_was_opened_with_losses_goes_on_in_the_default_mode_and_keeps_everything",
            "stage6-engine/tests/recovery_modes.rs",
        )],
    },
    Kept {
        id: "INV-LAYOUT-1",
        by: &[("annotated_hex", "")],
        caught: &[("every_byte_is_shown_and_the_unclaimed_are_named", "")],
    },
    Kept {
        id: "INV-LOG-1",
        by: &[("fragment_crc", "")],
        caught: &[("zeros_stale_bytes_and_copies_are_no_fragments", "")],
    },
    Kept {
        id: "INV-LOG-2",
        by: &[("LogWriter::pad", "stage2-wal/src/log/writer.rs")],
        caught: &[
            (
                "every_crash_leaves_a_prefix_that_holds_all_that_was_promised",
                "stage2-wal/tests/journal_crash.rs",
            ),
            (
                "a_record_over_three_blocks_begins_behind_the_padding_of_the_first",
                "stage2-wal/tests/formats.rs",
            ),
        ],
    },
    Kept {
        id: "INV-LOG-3",
        by: &[("LogWriter::append_buffer", "")],
        caught: &[("nothing_ever_follows_a_failed_append", "stage2-wal/src/journal/tests.rs")],
    },
    Kept {
        id: "INV-LOG-4",
        by: &[("read_log", ""), ("read_records", "")],
        caught: &[("nothing_behind_damage_is_a_record_but_a_promise_there_counts", "")],
    },
    Kept {
        id: "INV-LOG-5",
        by: &[("fragment_at", "")],
        caught: &[("a_value_that_holds_a_log_is_not_read_as_one", "")],
    },
    Kept { id: "INV-PARTS-1", by: &[("log_parts", "")], caught: &[("no_flip_and_no_cut_loses_a_byte", "")] },
    Kept {
        id: "INV-MAPPED-1",
        by: &[("map", "")],
        caught: &[("room_that_cannot_be_given_leaves_a_plain_and_empty_file", "")],
    },
    Kept {
        id: "INV-MAPPED-2",
        by: &[("End::room_at", "")],
        caught: &[("a_mapped_log_and_a_plain_one_are_the_same_bytes", "")],
    },
    Kept {
        id: "INV-VFS-1",
        by: &[("AppendFile::sync", "")],
        caught: &[
            ("a_sync_that_was_left_out_is_noticed", "stage2-wal/tests/journal_crash.rs"),
            ("table-unsynced", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-VFS-2",
        by: &[("Vfs::sync_directory", "")],
        caught: &[("current-name-unsynced", "tests/MUTANTS.md"), ("log-name-unsynced", "tests/MUTANTS.md")],
    },
    Kept {
        id: "INV-VFS-3",
        by: &[("Vfs::rename", "")],
        caught: &[
            ("a_rename_replaces_its_target", "stage2-wal/tests/disk.rs"),
            ("current-unsynced", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-BLOCK-1",
        by: &[
            ("Block::check", "stage3-sstable/src/block/cursor.rs"),
            ("TableBuilder::check", "stage3-sstable/src/table/builder.rs"),
        ],
        caught: &[
            ("what_was_built_is_what_is_found", "stage3-sstable/src/block/tests.rs"),
            ("what_does_not_end_where_the_next_begins_is_no_entry", "stage3-sstable/src/block/tests.rs"),
        ],
    },
    Kept {
        id: "INV-BLOCK-2",
        by: &[("head_of", "")],
        caught: &[(
            "keys_that_differ_behind_their_heads_are_told_apart",
            "stage3-sstable/src/block/tests.rs",
        )],
    },
    Kept {
        id: "INV-BLOCK-3",
        by: &[
            ("Block::lay_out", "stage3-sstable/src/block/cursor.rs"),
            ("Entry::decode", "stage3-sstable/src/block/entry.rs"),
        ],
        caught: &[
            ("no_bytes_make_a_block_panic", "stage3-sstable/src/block/tests.rs"),
            ("no_flipped_bit_makes_a_block_panic", "stage3-sstable/src/block/tests.rs"),
        ],
    },
    Kept {
        id: "INV-AHEAD-1",
        by: &[("Ahead::payload", ""), ("Ahead::read", "stage3-sstable/src/table/ahead.rs")],
        caught: &[(
            "what_cannot_be_read_ahead_is_no_failure_before_the_walk_comes_to_it",
            "stage3-sstable/src/table/tests.rs",
        )],
    },
    Kept {
        id: "INV-CACHE-1",
        by: &[("Slots::new", ""), ("Place::ask", "")],
        caught: &[("a_slot_that_points_to_another_block_finds_none", "stage3-sstable/src/cache/tests.rs")],
    },
    Kept {
        id: "INV-CACHE-2",
        by: &[("BlockCache::keep", ""), ("BlockCache::put", "")],
        caught: &[(
            "the_cache_holds_what_was_read_last_once_and_never_more_than_its_capacity",
            "stage3-sstable/src/cache/tests.rs",
        )],
    },
    Kept {
        id: "INV-CACHE-3",
        by: &[("impl Drop for Slots", "")],
        caught: &[("the_blocks_of_a_table_leave_the_cache_with_it", "stage3-sstable/src/table/tests.rs")],
    },
    Kept {
        id: "INV-COMPRESSION-1",
        by: &[("decode_lz4", "")],
        caught: &[("a_hostile_size_is_refused_before_anything_is_allocated", "")],
    },
    Kept {
        id: "INV-FOOTER-1",
        by: &[("Footer::read", "")],
        caught: &[(
            "a_table_of_an_unknown_version_or_feature_is_unsupported",
            "stage3-sstable/src/table/tests.rs",
        )],
    },
    Kept {
        id: "INV-SST-1",
        by: &[("block_checksum", "stage3-sstable/src/frame.rs")],
        caught: &[
            ("every_flipped_bit_of_a_table_is_an_error", "stage3-sstable/src/table/tests.rs"),
            ("a_block_of_another_place_or_another_file_is_refused", "stage3-sstable/src/table/tests.rs"),
        ],
    },
    Kept {
        id: "INV-SST-2",
        by: &[
            ("Footer::check_belongs", "stage3-sstable/src/footer.rs"),
            ("Metaindex::check_contiguous", "stage3-sstable/src/metaindex.rs"),
            ("Index::decode", "stage3-sstable/src/index.rs"),
        ],
        caught: &[(
            "hostile_handles_are_refused_before_anything_is_read_for_them",
            "stage3-sstable/src/table/tests.rs",
        )],
    },
    Kept {
        id: "INV-FRAME-1",
        by: &[("BlockFile::read_stored", "")],
        caught: &[
            ("every_flipped_bit_of_a_table_is_an_error", "stage3-sstable/src/table/tests.rs"),
            ("blocks-unchecked", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-INDEX-1",
        by: &[("separator_between", "")],
        caught: &[
            ("a_separator_lies_at_or_above_the_last_key_and_below_the_next", ""),
            ("a_lookup_answers_as_the_model_does_at_every_sequence", "stage3-sstable/tests/promise.rs"),
        ],
    },
    Kept {
        id: "INV-INDEX-2",
        by: &[("Index::decode", "")],
        caught: &[("the_index_finds_the_first_separator_at_or_above", "")],
    },
    Kept {
        id: "INV-TABLE-LAYOUT-1",
        by: &[("Layout::whole", "")],
        caught: &[("every_byte_of_a_sound_table_lies_in_one_field", "")],
    },
    Kept {
        id: "INV-METAINDEX-1",
        by: &[("Metaindex::check_understood", "")],
        caught: &[(
            "a_meta_block_that_must_be_understood_makes_a_table_unsupported",
            "stage3-sstable/src/table/tests.rs",
        )],
    },
    Kept {
        id: "INV-PROPERTIES-1",
        by: &[
            ("Properties::starting_at", ""),
            ("TableBuilder::finish_block", "stage3-sstable/src/table/builder.rs"),
        ],
        caught: &[("verification_finds_what_was_built_sound", "stage3-sstable/tests/promise.rs")],
    },
    Kept {
        id: "INV-TABLE-1",
        by: &[("TableBuilder::check", "stage3-sstable/src/table/builder.rs")],
        caught: &[(
            "keys_out_of_order_and_beyond_the_limits_are_refused_and_the_table_goes_on",
            "stage3-sstable/src/table/tests.rs",
        )],
    },
    Kept {
        id: "INV-TABLE-2",
        by: &[("BlockFile::read_stored", "stage3-sstable/src/frame.rs")],
        caught: &[("a_damaged_block_ends_a_cursor_for_good", "stage3-sstable/src/table/tests.rs")],
    },
    Kept {
        id: "INV-TABLE-3",
        by: &[("Output::check_sound", "stage3-sstable/src/table/builder.rs")],
        caught: &[("a_builder_that_has_failed_stays_failed", "stage3-sstable/src/table/tests.rs")],
    },
    Kept {
        id: "INV-BLOCKED-1",
        by: &[("Block::insert", "")],
        caught: &[
            ("a_key_sets_one_bit_in_each_word_of_one_block", "stage4-bloom/src/blocked/tests.rs"),
            ("no_hash_that_was_built_in_is_denied", "stage4-bloom/src/blocked/tests.rs"),
        ],
    },
    Kept {
        id: "INV-BLOCKED-2",
        by: &[("Block", "")],
        caught: &[("a_block_is_one_cache_line", "stage4-bloom/src/blocked/tests.rs")],
    },
    Kept {
        id: "INV-BLOOM-1",
        by: &[("BloomFilter::insert", "")],
        caught: &[("no_hash_that_was_built_in_is_denied", "stage4-bloom/src/bloom/tests.rs")],
    },
    Kept {
        id: "INV-BLOOM-2",
        by: &[("BloomFilter::read", "")],
        caught: &[("a_filter_cut_short_or_grown_is_malformed", "stage4-bloom/src/bloom/tests.rs")],
    },
    Kept {
        id: "INV-FILTER-1",
        by: &[
            ("BloomFilter::insert", "stage4-bloom/src/bloom.rs"),
            ("BlockedFilter::insert", "stage4-bloom/src/blocked.rs"),
        ],
        caught: &[
            ("no_hash_that_was_built_in_is_denied", "stage4-bloom/src/bloom/tests.rs"),
            ("verify_finds_a_filter_that_denies_a_key_of_its_table", "stage4-bloom/src/filtered/tests.rs"),
        ],
    },
    Kept {
        id: "INV-FILTER-2",
        by: &[("open_filter", "stage4-bloom/src/filtered.rs")],
        caught: &[("a_reader_uses_the_filter_that_the_file_carries", "stage4-bloom/src/filtered/tests.rs")],
    },
    Kept {
        id: "INV-FILTER-3",
        by: &[
            ("BloomFilter::is_set", "stage4-bloom/src/bloom.rs"),
            ("BlockedFilter::may_contain", "stage4-bloom/src/blocked.rs"),
        ],
        caught: &[("no_bytes_under_a_known_name_make_a_question_panic", "")],
    },
    Kept {
        id: "INV-FILTERED-1",
        by: &[("impl Lookup for FilteredTable", "")],
        caught: &[("a_filter_never_changes_an_answer", "stage4-bloom/tests/promise.rs")],
    },
    Kept {
        id: "INV-FILTERED-2",
        by: &[("FilteredTableBuilder::add", "")],
        caught: &[(
            "a_deleted_value_does_not_come_back_from_an_older_table",
            "stage4-bloom/src/filtered/tests.rs",
        )],
    },
    Kept {
        id: "INV-DROP-1",
        by: &[("DropRule::judge", "")],
        caught: &[
            ("the_newest_of_each_stripe_stays", ""),
            ("no_reader_at_a_protected_sequence_or_later_sees_a_difference", ""),
            ("version-under-snapshot", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-DROP-2",
        by: &[("DropRule::judge", ""), ("Version::is_bottom_for", "stage5-compaction/src/version.rs")],
        caught: &[
            ("a_deletion_goes_at_the_bottom_and_stays_above_it", ""),
            ("tombstone-early", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-STRATEGY-1",
        by: &[("with_overlapping", "")],
        caught: &[
            ("contents_are_unchanged_by_any_compaction", "stage5-compaction/tests/laws/contents.rs"),
            (
                "level_0_never_sinks_below_a_level_that_holds_older_files",
                "stage5-compaction/src/compaction/strategy/tests/leveled.rs",
            ),
        ],
    },
    Kept {
        id: "INV-TOLL-1",
        by: &[("Toll::carried_to", "")],
        caught: &[("a_flush_leaves_what_was_paid_and_a_merge_does_not", "")],
    },
    Kept {
        id: "INV-CONCAT-1",
        by: &[("Version::check_invariants", "stage5-compaction/src/version.rs"), ("ConcatCursor::with", "")],
        caught: &[("an_edit_against_a_law_changes_nothing", "stage5-compaction/tests/laws/version.rs")],
    },
    Kept {
        id: "INV-EDIT-1",
        by: &[("VersionEdit::encode", ""), ("Manifest::append_durably", "stage5-compaction/src/manifest.rs")],
        caught: &[(
            "a_crash_at_any_call_leaves_the_old_version_or_the_new_one_with_all_its_tables",
            "stage5-compaction/tests/laws/recovery.rs",
        )],
    },
    Kept {
        id: "INV-FENCES-1",
        by: &[("Fences::find", ""), ("Fences::covers", "")],
        caught: &[(
            "fences_find_the_file_that_a_search_through_the_files_finds",
            "stage5-compaction/tests/laws/fences.rs",
        )],
    },
    Kept {
        id: "INV-MANIFEST-1",
        by: &[("Manifest::append_durably", "")],
        caught: &[
            ("a_manifest_without_its_first_record_is_corruption", ""),
            ("promise-before-edit", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-MANIFEST-2",
        by: &[("Current::commit", "")],
        caught: &[("current-unsynced", "tests/MUTANTS.md"), ("current-name-unsynced", "tests/MUTANTS.md")],
    },
    Kept {
        id: "INV-MANIFEST-3",
        by: &[("Manifest::append", "")],
        caught: &[("manifest-after-failure", "tests/MUTANTS.md")],
    },
    Kept {
        id: "INV-MERGE-1",
        by: &[("Appender::append", "stage2-wal/src/journal/mod.rs")],
        caught: &[("a_batch_is_applied_in_its_order", "stage6-engine/tests/api.rs")],
    },
    Kept {
        id: "INV-MERGE-2",
        by: &[("MergingCursor::turn", "")],
        caught: &[("a_merge_moves_like_one_sorted_list", "")],
    },
    Kept {
        id: "INV-MERGE-3",
        by: &[("MergingCursor::sift_down", "")],
        caught: &[("a_merge_moves_like_one_sorted_list", "")],
    },
    Kept {
        id: "INV-MERGE-4",
        by: &[("MergingCursor::pass", ""), ("MergingCursor::order_first", "")],
        caught: &[("a_merge_moves_like_one_sorted_list", "")],
    },
    Kept {
        id: "INV-SIM-1",
        by: &[("simulate", "")],
        caught: &[(
            "the_same_seed_gives_the_same_course_and_another_seed_another",
            "stage5-compaction/src/simulator/tests.rs",
        )],
    },
    Kept {
        id: "INV-TABLE-CACHE-1",
        by: &[("TableFile::mark_obsolete", ""), ("impl Drop for TableFile", "")],
        caught: &[
            (
                "a_file_is_obsolete_only_when_its_last_reader_is_gone",
                "stage5-compaction/tests/laws/table_cache.rs",
            ),
            ("the_last_cursor_of_a_database_leaves_no_file_behind", "stage6-engine/tests/background.rs"),
            ("file-under-iterator", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-WRITER-1",
        by: &[("TableWriter::is_full_before", "")],
        caught: &[
            (
                "all_versions_of_a_key_go_into_one_table_however_large",
                "stage5-compaction/tests/laws/table_writer.rs",
            ),
            ("key-split", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-WRITER-2",
        by: &[("TableWriter::close_table", "")],
        caught: &[("table-unsynced", "tests/MUTANTS.md")],
    },
    Kept {
        id: "INV-VERSION-1",
        by: &[
            ("Version::check_invariants", ""),
            ("TableWriter::is_full_before", "stage5-compaction/src/table_writer.rs"),
        ],
        caught: &[("an_edit_against_a_law_changes_nothing", "stage5-compaction/tests/laws/version.rs")],
    },
    Kept {
        id: "INV-VERSION-2",
        by: &[("newness", ""), ("Version::apply", "")],
        caught: &[
            ("the_first_answer_from_the_top_ends_a_lookup", "stage5-compaction/tests/laws/version.rs"),
            ("level0-reversed", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-SET-1",
        by: &[("VersionSet::install", "")],
        caught: &[
            ("an_edit_is_published_only_when_it_is_durable", "stage5-compaction/tests/laws/version_set.rs"),
            ("table-name-unsynced", "tests/MUTANTS.md"),
            ("promise-before-edit", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-SET-2",
        by: &[("VersionSet::roll_if_long", "")],
        caught: &[(
            "a_manifest_that_has_grown_long_gives_way_to_a_snapshot",
            "stage5-compaction/tests/laws/version_set.rs",
        )],
    },
    Kept {
        id: "INV-DUMP-1",
        by: &[("read", "")],
        caught: &[("hex_attributes_every_byte_of_every_kind", "stage6-engine/tests/dump.rs")],
    },
    Kept {
        id: "INV-TOUR-1",
        by: &[("Report::claim", ""), ("Report::verdict", "")],
        caught: &[("the_tour_fails_when_a_claim_is_broken", "stage6-engine/tests/tool.rs")],
    },
    Kept {
        id: "INV-CHECKPOINT-1",
        by: &[("Engine::commit_checkpoint", "")],
        caught: &[("a_checkpoint_that_was_not_finished_is_no_database", "stage6-engine/tests/operations.rs")],
    },
    Kept {
        id: "INV-CHECKPOINT-2",
        by: &[("Engine::checkpoint", "")],
        caught: &[(
            "a_checkpoint_opens_as_a_database_of_its_own_and_the_two_go_apart",
            "stage6-engine/tests/operations.rs",
        )],
    },
    Kept {
        id: "INV-FLUSH-1",
        by: &[("Engine::install_flush", ""), ("Engine::flush_immutables", "")],
        caught: &[
            (
                "a_failed_job_stops_writing_with_its_cause_and_reads_go_on",
                "stage6-engine/tests/background.rs",
            ),
            ("logs-removed-before-edit", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-JOBS-1",
        by: &[("Engine::run_job_reporting", ""), ("Schedule::check", "stage6-engine/src/schedule.rs")],
        caught: &[
            (
                "a_failed_job_stops_writing_with_its_cause_and_reads_go_on",
                "stage6-engine/tests/background.rs",
            ),
            ("a_background_thread_that_panics_is_the_next_writers_error", "tests/tests/classic_bugs.rs"),
        ],
    },
    Kept {
        id: "INV-PRESSURE-1",
        by: &[("Engine::wait_until", "stage6-engine/src/jobs.rs")],
        caught: &[
            ("a_writer_who_waits_for_nothing_is_told_so", "stage6-engine/tests/background.rs"),
            ("a_thread_that_fails_is_the_next_writers_error", "stage6-engine/tests/background.rs"),
        ],
    },
    Kept {
        id: "INV-RANGE-1",
        by: &[("Range::front_is_inside", ""), ("Range::back_is_inside", "")],
        caught: &[
            ("both_ends_meet_in_the_middle_and_no_entry_comes_twice", "stage6-engine/tests/api.rs"),
            ("upper-bound-off", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-RANGE-2",
        by: &[("Range::end", "")],
        caught: &[("errors_come_once_and_then_the_range_ends", "stage6-engine/tests/api.rs")],
    },
    Kept {
        id: "INV-RECOVER-1",
        by: &[("Opening::read_write", "")],
        caught: &[
            ("recovery-removes-early", "tests/MUTANTS.md"),
            ("a_recovery_that_crashes_is_begun_again_or_was_done", "stage6-engine/tests/recovery_modes.rs"),
        ],
    },
    Kept {
        id: "INV-RECOVER-2",
        by: &[("Opening::next_file_number", ""), ("check_numbers", "")],
        caught: &[
            ("what_a_crash_may_leave_over_is_removed_at_open", "stage6-engine/tests/open.rs"),
            ("no_number_of_a_file_that_ever_counted_is_given_again", "stage6-engine/tests/open.rs"),
            ("file-number-reused", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-RECOVER-3",
        by: &[("last_sequence", "")],
        caught: &[
            ("sequences_go_on_where_they_ended", "stage6-engine/tests/open.rs"),
            ("sequence-restarts-low", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-RECOVER-4",
        by: &[("check_is_empty", "")],
        caught: &[
            ("a_database_without_current_is_damaged_and_not_empty", "stage6-engine/tests/bad_input.rs"),
            ("a_creation_that_a_crash_cut_short_is_begun_again", "stage6-engine/tests/open.rs"),
        ],
    },
    Kept {
        id: "INV-RECOVER-5",
        by: &[("Opening::keep_damaged_logs", ""), ("Opening::keep_damaged_log", "")],
        caught: &[
            (
                "a_log_that_was_read_with_a_loss_stays_until_a_person_removes_it",
                "stage6-engine/tests/recovery_modes.rs",
            ),
            ("a_damaged_log_of_before_is_never_overwritten", "stage6-engine/tests/recovery_modes.rs"),
        ],
    },
    Kept {
        id: "INV-RECOVER-6",
        by: &[("Opening::read_some", ""), ("Opening::write_tables", ""), ("Opening::discard", "")],
        caught: &[
            (
                "logs_become_one_table_and_more_only_beyond_what_memory_may_hold",
                "stage6-engine/tests/replay.rs",
            ),
            ("a_replay_that_is_refused_leaves_no_table_behind", "stage6-engine/tests/replay.rs"),
            (
                "an_open_that_has_no_room_before_its_manifest_leaves_the_directory_as_it_was",
                "stage6-engine/tests/recovery_modes.rs",
            ),
        ],
    },
    Kept {
        id: "INV-RESUME-1",
        by: &[("Engine::resume_journal", "")],
        caught: &[
            ("after_a_failed_append_the_database_resumes_in_a_new_log", "stage6-engine/tests/resume.rs"),
            (
                "a_flush_that_is_under_way_does_not_let_the_failed_log_count_again",
                "stage6-engine/tests/resume.rs",
            ),
        ],
    },
    Kept {
        id: "INV-RESUME-2",
        by: &[("Engine::resume", "")],
        caught: &[("after_a_failed_manifest_only_opening_again_helps", "stage6-engine/tests/resume.rs")],
    },
    Kept {
        id: "INV-RUN-1",
        by: &[("Run::add", "")],
        caught: &[("an_entry_of_a_run_takes_64_bytes_and_lies_where_the_log_has_it", "")],
    },
    Kept {
        id: "INV-RUN-2",
        by: &[("Run::sort", "")],
        caught: &[("a_run_moves_like_a_memtable_of_the_same_entries", "")],
    },
    Kept {
        id: "INV-RUNTIME-1",
        by: &[("Runtime", "")],
        caught: &[
            ("two_databases_with_the_same_seed_and_calls_have_the_same_bytes", "stage6-engine/tests/open.rs"),
            ("clock-of-the-system", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-SCAN-1",
        by: &[("DbCursor::settle_forward", ""), ("DbCursor::settle_backward", "")],
        caught: &[
            ("seeking_past_versions_that_are_too_new_decides_nothing_about_their_key", ""),
            ("a_cursor_moves_as_over_a_sorted_map_wherever_the_entries_lie", "stage6-engine/tests/api.rs"),
        ],
    },
    Kept {
        id: "INV-SCHEDULE-1",
        by: &[("Schedule::next", ""), ("Schedule::finish", "")],
        caught: &[
            ("whoever_polls_does_not_keep_the_database_from_resuming", "stage6-engine/tests/resume.rs"),
            ("never-resumes", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-SNAPSHOT-1",
        by: &[("Snapshots::register", ""), ("Snapshots::drop_rule", "")],
        caught: &[
            ("a_sequence_is_protected_until_its_last_holder_lets_go", ""),
            ("version-under-snapshot", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-STATE-1",
        by: &[("Published::replace", "")],
        caught: &[(
            "flushes_compactions_and_checks_may_be_asked_for_by_anybody_at_any_time",
            "stage6-engine/tests/threads.rs",
        )],
    },
    Kept {
        id: "INV-STATE-2",
        by: &[("Engine::get", "stage6-engine/src/read.rs")],
        caught: &[("sequence-before-state", "tests/MUTANTS.md")],
    },
    Kept {
        id: "INV-STATE-3",
        by: &[
            ("Engine::rotate_if", "stage6-engine/src/write.rs"),
            ("Engine::apply", "stage6-engine/src/write.rs"),
        ],
        caught: &[
            ("what_was_acknowledged_is_seen_by_every_later_read", "stage6-engine/tests/threads.rs"),
            ("visible-before-insert", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-WRITE-1",
        by: &[("Engine::apply", "")],
        caught: &[
            ("a_batch_is_never_seen_by_half_nor_two_moments_by_one_reader", "stage6-engine/tests/threads.rs"),
            ("visible-before-insert", "tests/MUTANTS.md"),
        ],
    },
    Kept {
        id: "INV-WRITE-2",
        by: &[("Engine::rotate_if", "")],
        caught: &[("replay-boundary-high", "tests/MUTANTS.md")],
    },
];
