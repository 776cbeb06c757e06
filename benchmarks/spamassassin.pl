# SpamAssassin as a filter that the benchmarks can drive: one command a line on standard input, one answer a line.
#
#   perl spamassassin.pl FOLDER bayes|rules     ("bayes": its Bayes alone; "rules": all rules offline, with Bayes)
#   classify FILE        ->  class=spam|ham score=NUMBER
#   train spam|ham FILE  ->  ok
#   hold, release        ->  ok    (around many mails to train: the store is written once)
#   finalize             ->  ok
#
# The library is used, not its command line, which needs seconds to start.  Bayes is asked from its first mail on
# (SpamAssassin itself waits for 200 of each kind) and never learns by itself.
use strict;
use warnings;
use Mail::SpamAssassin;
use Mail::SpamAssassin::PerMsgStatus;

my ($folder, $mode) = @ARGV;
my $settings = join "\n", "use_bayes 1", "bayes_path $folder/bayes", "bayes_auto_learn 0", "bayes_auto_expire 0",
    "bayes_min_ham_num 1", "bayes_min_spam_num 1", "bayes_learn_to_journal 0", "lock_method flock", "";
my %common = (local_tests_only => 1, dont_copy_prefs => 1, userstate_dir => $folder, home_dir_for_helpers => $folder);
my ($tlds) = grep { -e } map { "$_/20_aux_tlds.cf" } glob("/var/lib/spamassassin/4*/updates_*"), "/usr/share/spamassassin";
my $filter = $mode eq "bayes"
    ? Mail::SpamAssassin->new({%common,
        config_text => join "\n", "loadplugin Mail::SpamAssassin::Plugin::Bayes", $tlds ? slurp($tlds) : (), $settings})
    : Mail::SpamAssassin->new({%common, post_config_text => $settings});
$filter->init(1);
$filter->init_learner({caller_will_untie => 0});  # a scan reads what is on disk
my ($bayes) = grep { ref eq "Mail::SpamAssassin::Plugin::Bayes" } @{$filter->{plugins}{plugins}};
die "SpamAssassin has no Bayes plugin\n" unless $bayes;

sub slurp { open my $file, "<:raw", $_[0] or die "$_[0]: $!"; local $/; my $raw = <$file>; return defined $raw ? $raw : "" }

my %learned = (ham => 0, spam => 0);

sub classify {
    my $mail = $filter->parse(slurp($_[0]), 1);
    my ($spam, $score);
    if ($mode eq "bayes" && !($learned{ham} && $learned{spam})) {
        ($spam, $score) = (0, 0.5);  # it would find no store, and not look for one again
    } elsif ($mode eq "bayes") {
        my $status = Mail::SpamAssassin::PerMsgStatus->new($filter, $mail);
        $status->extract_message_metadata();
        $score = $bayes->scan($status, $mail);
        $score = 0.5 unless defined $score;
        $spam = $score > 0.5;
        $status->finish();
    } else {
        my $status = $filter->check($mail);
        $score = $status->get_score();
        $spam = $status->is_spam();
        $status->finish();
    }
    $mail->finish();
    return sprintf "class=%s score=%.17g", $spam ? "spam" : "ham", $score;
}

sub train {
    my ($label, $path) = @_;
    $learned{$label}++;
    my $mail = $filter->parse(slurp($path), 1);
    $filter->learn($mail, undef, $label eq "spam" ? 1 : 0, 0)->finish();
    $mail->finish();
    return "ok";
}

$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($command, $rest) = split / /, $line, 2;
    if ($command eq "classify") { print classify($rest), "\n" }
    elsif ($command eq "train") { print train(split / /, $rest, 2), "\n" }
    elsif ($command eq "hold") { $filter->init_learner({caller_will_untie => 1}); print "ok\n" }
    elsif ($command eq "release") {
        $filter->finish_learner();
        $filter->init_learner({caller_will_untie => 0});
        print "ok\n";
    }
    elsif ($command eq "initialize") { print "ok\n" }
    elsif ($command eq "finalize") { print "ok\n"; last }
    else { print "error unknown command $command\n" }
}
$filter->rebuild_learner_caches();
$filter->finish_learner();
$filter->finish();
